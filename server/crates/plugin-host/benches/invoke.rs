//! Times one call with a 1 KiB input, in a fresh and in a live instance.

#[path = "../tests/packages/mod.rs"]
mod packages;

use std::sync::Arc;

use cardine_plugin_host::{CallContext, DeniedServices, HostConfig, HostServices, PluginHost};
use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::json;

fn invoke(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let cache = tempfile::tempdir().expect("a folder for compiled code");
    let host = PluginHost::new(HostConfig::new(cache.path())).expect("a plugin host");
    let plugin = runtime.block_on(host.load(&packages::package("test-hostile"))).expect("the plugin loads");
    let services: Arc<dyn HostServices> = Arc::new(DeniedServices);
    let input = json!({"id": "1", "amount": "55000", "text": "x".repeat(1_000)});

    criterion.bench_function("1 KiB echo, fresh instance", |bencher| {
        bencher.iter(|| {
            let call = plugin.invoke(CallContext::default(), "echo", input.clone(), services.clone());
            runtime.block_on(call).expect("the call passes")
        });
    });
    let mut session = plugin.session(services.clone());
    criterion.bench_function("1 KiB echo, live instance", |bencher| {
        bencher.iter(|| {
            let call = session.invoke(CallContext::default(), "echo", input.clone());
            runtime.block_on(call).expect("the call passes")
        });
    });
}

criterion_group!(benches, invoke);
criterion_main!(benches);
