//! Turns a core WebAssembly module into a component.

use wit_component::ComponentEncoder;

/// Why a core module cannot become a component.
#[derive(Debug, thiserror::Error)]
#[error("not a module that was built against cardine:plugin: {0}")]
pub struct ComponentError(String);

const COMPONENT_HEADER: [u8; 8] = [0x00, b'a', b's', b'm', 0x0d, 0x00, 0x01, 0x00];

/// Encodes a core module that carries its WIT in a custom section (wit-bindgen leaves it there) as
/// a component. Bytes that are a component already are returned unchanged.
///
/// # Errors
/// The module is malformed, carries no WIT, or imports something that its WIT does not name, such
/// as WASI preview 1.
pub fn componentize(core_module: &[u8]) -> Result<Vec<u8>, ComponentError> {
    if is_component(core_module) {
        return Ok(core_module.to_vec());
    }
    let component =
        ComponentEncoder::default().validate(true).module(core_module).and_then(|mut encoder| encoder.encode());
    component.map_err(|error| ComponentError(format!("{error:#}")))
}

/// Whether the bytes begin like a binary component (and not like a core module or text).
pub(crate) fn is_component(bytes: &[u8]) -> bool {
    bytes.starts_with(&COMPONENT_HEADER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_without_wit_is_refused() {
        let module = wat::parse_str("(module)").unwrap();
        let refused = componentize(&module).map(|component| component.len());
        // An empty module has an empty world: what it makes is a component, but exports nothing.
        assert!(refused.is_ok());
        let imports = wat::parse_str(r#"(module (import "env" "exit" (func)))"#).unwrap();
        assert!(componentize(&imports).unwrap_err().to_string().contains("env"));
    }

    #[test]
    fn a_component_stays_as_it_is() {
        let component = wat::parse_str("(component)").unwrap();
        assert_eq!(componentize(&component).unwrap(), component);
    }

    #[test]
    fn text_is_refused() {
        assert!(componentize(b"(module)").is_err());
    }
}
