//! `completions` and `man`, both made from the command line itself.

use std::fs;
use std::path::Path;

use clap_complete::{generate, shells};

use super::args::{Shell, command};
use super::error::CliError;
use super::output::Output;

/// Prints completions for `shell`.
pub fn completions(shell: Shell, output: &mut Output<'_>) -> Result<(), CliError> {
    let (mut command, mut script) = (command(), Vec::new());
    match shell {
        Shell::Bash => generate(shells::Bash, &mut command, "blockchain", &mut script),
        Shell::Zsh => generate(shells::Zsh, &mut command, "blockchain", &mut script),
        Shell::Fish => generate(shells::Fish, &mut command, "blockchain", &mut script),
    }
    Ok(output.line(String::from_utf8_lossy(&script).trim_end())?)
}

/// Writes a manual page for each command into `folder`.
pub fn man(folder: &Path, output: &mut Output<'_>) -> Result<(), CliError> {
    let written = fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(command().disable_help_subcommand(true), folder));
    let shown = folder.display();
    written.map_err(|error| {
        CliError::other(format!("cannot write manual pages to {shown}: {error}"))
    })?;
    let page = folder.join("blockchain.1");
    Ok(output
        .line(format_args!("manual pages are in {shown}; read \"man -l {}\"", page.display()))?)
}
