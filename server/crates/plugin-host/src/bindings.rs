//! The host's side of `plugins/wit/since_v0_1`, generated.
#![allow(missing_docs)]

wasmtime::component::bindgen!({
    path: "../../../plugins/wit/since_v0_1",
    world: "full-plugin",
    imports: {
        "cardine:plugin/log": trappable,
        "cardine:plugin/runtime": trappable,
        "cardine:plugin/config.settings": trappable,
        default: async | trappable,
    },
    exports: { default: async },
});
