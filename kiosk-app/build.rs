// SPDX-License-Identifier: GPL-3.0-only
//! Compiles the screens, with their translations inside: no file is looked for at run time.

use slint_build::{CompilerConfiguration, DefaultTranslationContext, EmbedResourcesKind};
use std::{env, path::Path, process::ExitCode};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=../assets/translations");
    let config = || CompilerConfiguration::new().embed_resources(EmbedResourcesKind::EmbedFiles).with_style("fluent".to_owned());
    // Texts are found as `<language>/LC_MESSAGES/kiosk-app.po`: the domain is the name of this package. No context: a
    // sentence is translated once, wherever it stands.
    let app = config()
        .with_bundled_translations("../assets/translations")
        .with_default_translation_context(DefaultTranslationContext::None);
    slint_build::compile_with_config("ui/app.slint", app)?;
    let out = env::var("OUT_DIR")?;
    let panel = Path::new(&out).join("panel.rs");
    for file in slint_build::compile_with_output_path("ui/panel.slint", panel, config())? {
        println!("cargo::rerun-if-changed={}", file.display());
    }
    Ok(())
}
