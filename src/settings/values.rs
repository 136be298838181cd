//! Values of flags that are more than one type's `FromStr`, for settings and for commands.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::{PathBufValueParser, PossibleValuesParser, TypedValueParser};

use crate::api::Address;

/// Longest interval or deadline: beyond it is a typing error.
const SECONDS_MAX: f64 = 365.0 * 24.0 * 60.0 * 60.0;

/// A span of seconds, fractions allowed, above 0 and at most a year.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| refusal())?;
    let in_range = seconds > 0.0 && seconds <= SECONDS_MAX;
    let span = in_range.then(|| Duration::from_secs_f64(seconds)).filter(|span| !span.is_zero());
    span.ok_or_else(refusal)
}

/// Reads a whole number from `min` to `max`.
pub fn whole<T>(min: u64, max: u64) -> impl Fn(&str) -> Result<T, String> + Clone
where
    T: TryFrom<u64>,
{
    move |text| {
        let number = text.parse().ok().filter(|number| (min..=max).contains(number));
        let number = number.and_then(|number| T::try_from(number).ok());
        number.ok_or_else(|| format!("a whole number from {min} to {max} is needed"))
    }
}

fn refusal() -> String {
    "seconds are a number above 0, like 20 or 0.2".into()
}

/// A host without a port: a name, an IPv4 or an IPv6 address, the latter with or without
/// brackets.
pub fn host(text: &str) -> Result<String, String> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    match address(bare, 1) {
        Ok(address) => Ok(address.host().to_owned()),
        Err(_) => Err("a host is a name or an IP address; the port goes to --port".into()),
    }
}

/// The address of `host`, which has no port, and `port`.
pub fn address(host: &str, port: u16) -> Result<Address, String> {
    let text =
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    text.parse().map_err(|error: crate::api::AddressError| error.to_string())
}

/// Reads a path that is not empty. The home folder takes the place of a leading `~/`, which a
/// shell leaves alone in `--flag=~/x` and in quotes.
///
/// Only what `HOME` says: asking the user database loads libraries of the host into a static
/// program, which ends with a segmentation fault where the C library is not their own.
pub fn path() -> impl TypedValueParser<Value = PathBuf> {
    let home = env::var_os("HOME").map(PathBuf::from);
    PathBufValueParser::new().map(move |path| in_home(&path, home.as_deref()))
}

pub fn log_level() -> impl TypedValueParser<Value = log::LevelFilter> {
    PossibleValuesParser::new(["off", "error", "warn", "info", "debug", "trace"])
        .map(|level| level.parse().expect("each of them is a level"))
}

fn in_home(path: &Path, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_may_be_fractions_and_are_above_zero() {
        assert_eq!(seconds("0.2"), Ok(Duration::from_millis(200)));
        assert_eq!(seconds("20"), Ok(Duration::from_secs(20)));
        for text in ["0", "-1", "", "x", "nan", "inf", "1e30", "1e-30", "5s"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_host_has_no_port() {
        for (text, expected) in [
            ("localhost", "localhost"),
            ("0.0.0.0", "0.0.0.0"),
            ("::1", "::1"),
            ("[::1]", "::1"),
            ("Miner1", "miner1"),
        ] {
            assert_eq!(host(text).as_deref(), Ok(expected));
        }
        for text in ["", "a:1", "127.0.0.1:80", "[::1]:80", "a b", "http://a", "a/"] {
            assert!(host(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_leading_tilde_is_the_home_folder() {
        let home = Some(Path::new("/home/me"));
        for (path, expected) in [
            ("~/a/b.chain", "/home/me/a/b.chain"),
            ("a/~/b", "a/~/b"),
            ("~you/b", "~you/b"),
            ("/x", "/x"),
        ] {
            assert_eq!(in_home(Path::new(path), home), Path::new(expected));
        }
        assert_eq!(in_home(Path::new("~/a"), None), Path::new("~/a"));
    }
}
