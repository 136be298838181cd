//! What help and manual pages say beyond flags: examples, exit codes, files.

use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

/// The formats of files and blocks: section 5.
pub const FORMATS: &str = include_str!("blockchain.5");

const EXIT_CODES: [(&str, &str); 7] = [
    ("0", "done"),
    ("1", "it could not be done; one line on stderr says why"),
    ("2", "wrong usage"),
    ("3", "no miner answers"),
    ("4", "wait timed out"),
    ("5", "refused by the miner (busy, conflict, not allowed)"),
    ("6", "the miner is unhealthy, or files are damaged"),
];

const FILES: [(&str, &str); 5] = [
    ("NAME.chain", "the chain, one block a line; see blockchain(5)"),
    ("NAME.hash", "SHA-256 of the chain file, as sha256sum prints it"),
    ("NAME.data", "journal of pending messages"),
    ("NAME_DATE_TIME.chain", "older versions of the chain file"),
    ("miner.log", "log of the miner; older logs are miner.log.1 to miner.log.3"),
];

const ENVIRONMENT: &str = "Each setting has a variable, named with it above. A flag beats a variable; \
    an empty variable counts as unset. Values of Kubernetes service links (tcp://...) are ignored. \
    NO_COLOR turns colours off. HOME is the folder that a leading ~/ stands for.";

/// Of each command, lines to type and what each does.
const EXAMPLES: [(&str, &str, &str); 32] = [
    ("blockchain", "blockchain miner start ~/miner1/test.chain", "start a miner"),
    (
        "blockchain",
        "blockchain miner start ~/miner2/test.chain -p 12346 -n 127.0.0.1:12345",
        "start a second miner",
    ),
    ("blockchain", "blockchain add 'hello, world' --wait", "add a message and wait for its block"),
    ("blockchain", "blockchain get chain --last 10", "show the last 10 blocks"),
    ("blockchain", "blockchain verify ~/miner1/test.chain", "check the files"),
    ("start", "blockchain miner start ~/miner1/test.chain", "start a miner on this host"),
    (
        "start",
        "blockchain miner start m.chain --host 0.0.0.0 -n miner1.example",
        "join miner1.example, reachable from other hosts",
    ),
    (
        "start",
        "BLOCKCHAIN_DIFFICULTY=4 blockchain miner start m.chain --ui-port 8000",
        "settings as variables work, too",
    ),
    ("add", "blockchain add 'hello, world'", "add a message"),
    ("add", "blockchain add -w -t 30 'hello'", "wait up to 30 seconds for its block"),
    ("add", "blockchain add -- --not-a-flag", "a message that begins with a dash"),
    ("add", "blockchain add - < letter.txt", "a message from a file"),
    ("add", "blockchain add --lines names.txt", "each line is a message"),
    ("chain", "blockchain get chain -n 10", "the last 10 blocks"),
    ("chain", "blockchain get chain --lines | jq -r .data.message", "all messages"),
    ("chain", "blockchain get chain --lines | sha256sum", "the hash of the chain file"),
    ("wait", "blockchain wait", "until the miner answers"),
    ("wait", "blockchain wait --idle --agree-with miner2:12346", "until both agree and are idle"),
    ("wait", "blockchain wait --length 100 --timeout 30", "until there are 100 blocks"),
    ("watch", "blockchain watch --json | jq .event", "events for a program"),
    ("ui", "blockchain ui -m miner1.example:12345", "then open http://127.0.0.1:8000"),
    ("lab", "blockchain lab", "then open http://127.0.0.1:8000/wall"),
    (
        "lab",
        "blockchain lab 8 --host 0.0.0.0 --allow-host classroom.local",
        "others in the room look on, and join",
    ),
    ("lab", "blockchain lab --script heist.lab", "an experiment without a browser"),
    ("mining", "blockchain mining", "show the limit"),
    ("mining", "blockchain mining limit 1000000", "at most a million guesses a second"),
    ("mining", "blockchain mining resume", "no limit"),
    ("block", "blockchain get block 7", "the block at height 7"),
    ("block", "blockchain get forks", "hashes of kept blocks that left the chain"),
    (
        "backup",
        "blockchain backup ~/miner1/test.chain /mnt/stick/monday",
        "copy the files of a miner that runs",
    ),
    (
        "completions",
        "blockchain completions bash > ~/.local/share/bash-completion/completions/blockchain",
        "complete commands in bash",
    ),
    ("man", "blockchain man pages", "then: man -l pages/blockchain.1"),
];

fn examples(command: &str) -> Vec<(&'static str, &'static str)> {
    let examples = EXAMPLES.iter().filter(|(name, ..)| *name == command);
    examples.map(|(_, line, what)| (*line, *what)).collect()
}

pub fn notes(command: &str) -> String {
    let mut notes = String::new();
    if command == "wait" {
        notes += "All conditions must hold, for every miner named. Without conditions, the miner \
                  only has to answer. A miner that does not answer yet is asked again.\n\n";
    }
    if command == "lab" {
        notes += "A script has an order a line: cut A B, mend [A B], split A B | C D, isolate A, \
                  limit A N|none|usual, slow A SECONDS, pause A, resume A, stop A, kill A, start A [knowing B] [finality \
                  N], rewind A HEIGHT, add \"TEXT\" [to A], forge \"TEXT\" to A, reset, wait \
                  SECONDS, and expect CONDITION [within SECONDS]. A condition is: one chain [A B], \
                  length A N, block A HEIGHT \"TEXT\", mined A \"TEXT\", waiting A \"TEXT\", refused \
                  A, or not CONDITION.\n\n";
    }
    if command == "add" {
        notes += "With --lines, the id of a line is the first 16 bytes of SHA-256 of prefix, line \
                  number and text, with a zero byte between them. So a repeat of an interrupted \
                  command adds no line twice. \
                  Lines are sent over several connections, so the chain has them in roughly, not \
                  exactly, the order of the file.\n\n";
    }
    let examples = examples(command);
    if !examples.is_empty() {
        notes += "Examples:\n";
        for (line, what) in examples {
            notes += &format!("  {line}\n      {what}\n");
        }
    }
    if command == "blockchain" {
        notes += "\nExit codes:\n";
        for (code, meaning) in EXIT_CODES {
            notes += &format!("  {code}  {meaning}\n");
        }
        notes += "\nSettings can be given as environment variables: BLOCKCHAIN_DIFFICULTY=4. A \
                  flag beats a variable. There is no configuration file.\n";
    }
    notes.trim_end().to_owned()
}

/// The manual page of a command, whose whole name (`blockchain-get-chain`) is its title.
pub fn page(command: &clap::Command) -> std::io::Result<Vec<u8>> {
    let name = command.get_name();
    let short = name.rsplit('-').next().unwrap_or(name).to_owned();
    // The sections below say what these notes say in help.
    let man = Man::new(command.clone().after_help("")).manual("Blockchain");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let mut roff = Roff::new();
    section(&mut roff, "EXIT STATUS", &EXIT_CODES);
    roff.control("SH", ["ENVIRONMENT"]);
    roff.text([roman(ENVIRONMENT)]);
    section(&mut roff, "FILES", &FILES);
    section(&mut roff, "EXAMPLES", &examples(&short));
    roff.control("SH", ["SEE ALSO"]);
    roff.text([bold("blockchain"), roman("(1), "), bold("blockchain"), roman("(5)")]);
    roff.to_writer(&mut page)?;
    Ok(page)
}

/// A section that explains words, unless there are none.
fn section(roff: &mut Roff, title: &str, words: &[(&str, &str)]) {
    if !words.is_empty() {
        roff.control("SH", [title]);
    }
    for (word, meaning) in words {
        roff.control("TP", []);
        roff.text([bold(*word)]);
        roff.text([roman(*meaning)]);
    }
}
