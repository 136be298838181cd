//! `completions` and `man`, both made from the command line itself.

use std::path::Path;
use std::{fs, io};

use clap_complete::{generate, shells};

use super::args::{Shell, command};
use super::error::{CliError, Result};
use super::manual;
use super::output::Output;
use crate::escape::Escaped;

pub fn completions(shell: Shell, output: &mut Output<'_>) -> Result {
    let (mut command, mut script) = (command(), Vec::new());
    match shell {
        Shell::Bash => generate(shells::Bash, &mut command, "blockchain", &mut script),
        Shell::Zsh => generate(shells::Zsh, &mut command, "blockchain", &mut script),
        Shell::Fish => generate(shells::Fish, &mut command, "blockchain", &mut script),
    }
    let script = String::from_utf8_lossy(&script).into_owned();
    let script = match shell {
        Shell::Bash => without_stray_files(&script),
        Shell::Fish => script + FILES_IN_FISH,
        Shell::Zsh => script,
    };
    Ok(output.line(script.trim_end())?)
}

/// The script for bash, which would offer files wherever it knows nothing better, also for
/// `neighbours delete`: files are left to the commands that take one.
fn without_stray_files(script: &str) -> String {
    let bare = script.replace(" -o bashdefault -o default", "");
    bare + FILES_IN_BASH
}

const FILES_IN_BASH: &str = r#"
_blockchain_files() {
    _blockchain "$@"
    local words=" ${COMP_WORDS[*]} "
    if [[ ${#COMPREPLY[@]} -eq 0 && $words =~ ' '(verify|repair|backup|man|start)' ' ]]; then
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")
    fi
}
complete -F _blockchain_files blockchain
"#;

/// Offers files to the same commands alone, in fish, which has no other way to leave them out.
const FILES_IN_FISH: &str = r#"complete -c blockchain -f
complete -c blockchain -n "__fish_seen_subcommand_from verify repair backup man start" -F
"#;

pub fn man(folder: &Path, output: &mut Output<'_>) -> Result {
    let mut all = command().disable_help_subcommand(true);
    all.build();
    let write = |name: &str, page: &[u8]| fs::write(folder.join(name), page);
    let written = fs::create_dir_all(folder)
        .and_then(|()| pages(&all, "blockchain", &write))
        .and_then(|()| write("blockchain.5", manual::FORMATS.as_bytes()));
    let shown = folder.display();
    written.map_err(|error| {
        CliError::other(format!("cannot write manual pages to {shown}: {error}"))
    })?;
    let page = folder.join("blockchain.1");
    let hint = format!("manual pages are in {shown}; read \"man -l {}\"", page.display());
    Ok(output.line(Escaped(&hint))?)
}

fn pages(
    command: &clap::Command,
    name: &str,
    write: &dyn Fn(&str, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    // clap wants names that live for ever; these do, as long as the program.
    let titled = command.clone().name(&*name.to_owned().leak());
    write(&format!("{name}.1"), &manual::page(&titled)?)?;
    command
        .get_subcommands()
        .filter(|it| !it.is_hide_set() && it.get_name() != "help")
        .try_for_each(|it| pages(it, &format!("{name}-{}", it.get_name()), write))
}
