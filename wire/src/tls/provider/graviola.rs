//! Graviola: cryptography in verified assembly. It panics on a CPU without the instructions it uses.

use super::Parts;

pub(super) fn parts() -> Result<Parts, String> {
    if !graviola::util::is_cpu_supported() {
        let needs = if cfg!(target_arch = "x86_64") {
            "AES, SSSE3, PCLMULQDQ, AVX2, BMI1, BMI2 and ADX"
        } else {
            "AES, PMULL, NEON and SHA-2"
        };
        return Err(format!("the provider graviola requires a CPU with {needs}; choose another with --provider"));
    }
    Ok(Parts {
        crypto: rustls_graviola::default_provider(),
        groups: rustls_graviola::kx::ALL_KX_GROUPS,
        ticketer: rustls_graviola::Ticketer::new,
    })
}
