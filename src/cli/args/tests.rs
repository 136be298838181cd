use super::*;

fn read(line: &str) -> Result<Arguments, clap::Error> {
    Arguments::read(["blockchain"].into_iter().chain(line.split(' ')).map(OsString::from))
}

#[test]
fn the_command_line_is_consistent() {
    command().debug_assert();
}

#[test]
fn every_flag_is_explained_and_the_variables_of_settings_are_named() {
    fn check(command: &mut clap::Command) {
        let help = command.render_long_help().to_string();
        let words: Vec<_> = help.split([' ', '\n', '[', ']', '=']).collect();
        let name = command.get_name().to_owned();
        for arg in command.get_arguments() {
            let id = arg.get_id();
            assert!(arg.get_help().is_some(), "{name} {id}");
            let variable = arg.get_long().and_then(|long| variable(&name, long));
            if let Some(variable) = variable.filter(|_| !arg.is_hide_set()) {
                assert!(words.contains(&variable.as_str()), "{name} {id}:\n{help}");
            }
        }
        command.get_subcommands_mut().for_each(check);
    }
    check(&mut command());
}

/// `add --wiat` and `add --version` became permanent messages.
#[test]
fn a_message_that_begins_with_a_dash_comes_behind_two() {
    for (line, expected) in [("add -", "-"), ("add -- --wait", "--wait"), ("add -- -x", "-x")] {
        let Command::Add(add) = read(line).unwrap().command else { panic!("{line}") };
        assert_eq!(add.message.as_deref(), Some(expected));
    }
    for line in ["add --wiat", "add --version", "add -v", "add --jsn", "add -5", "add x --wiat"] {
        assert_eq!(read(line).unwrap_err().exit_code(), 2, "{line}");
    }
}

#[test]
fn last_excludes_from_and_limit() {
    assert!(read("get chain --from 3 --limit 4").is_ok());
    assert!(read("get chain --last 3 --limit 4").is_err());
    assert!(read("get chain --last 3 --from 4").is_err());
}

#[test]
fn flags_that_make_no_sense_together_are_not_typed_together() {
    for (line, wrong) in [
        ("wait --length 3 --confirmations 3", true),
        ("wait --confirmations 3 --message 0123456789abcdef0123456789abcdef", false),
        ("add x --timeout 3", true),
        ("add x --timeout 3 --wait", false),
        ("add --lines x --timeout 3", false),
        ("add x --id-prefix y", true),
        ("add x --lines y", true),
        ("wait --timeout 3", false),
        ("get health --miner a:1 --port 3", true),
        ("get health --host a --port 3", false),
        ("add x -m a", false),
        ("mining", false),
        ("mining pause -p 1", false),
        ("mining limit 5", false),
        ("mining limit", true),
        ("mining pause 5", true),
    ] {
        assert_eq!(read(line).is_err(), wrong, "{line}");
    }
}

#[test]
fn numbers_have_limits_that_an_error_names() {
    for line in [
        "benchmark --threads 0",
        "benchmark --threads 1025",
        "miner start x --max-neighbours 0",
        "miner start x --threads 5000",
        "miner start x --finality-depth 0",
        "wait --message 0123456789abcdef0123456789abcdef --confirmations 0",
        "get chain --last 18446744073709551616",
        "get chain --last -5",
        "get health --port 65536",
        "mining limit -5",
        "miner start x --port 65536",
        "miner start x --keep-versions y",
        "ui --port -1",
    ] {
        let error = read(line).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{line}");
        assert!(error.to_string().contains(": a whole number from "), "{error}");
    }
}

#[test]
fn variables_of_service_links_are_told_apart() {
    for (variable, value, is_link) in [
        ("BLOCKCHAIN_PORT", "tcp://10.0.0.1:80", true),
        ("BLOCKCHAIN_UI_PORT", "udp://10.0.0.1:80", true),
        ("BLOCKCHAIN_NAME", "/web/blockchain", true),
        ("BLOCKCHAIN_PORT", "80", false),
        ("BLOCKCHAIN_NAME", "web", false),
        ("BLOCKCHAIN_MINER", "tcp://10.0.0.1:80", false),
    ] {
        assert_eq!(is_of_a_service_link(variable, OsStr::new(value)), is_link, "{variable}");
    }
}
