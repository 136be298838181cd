//! `lab`: a classroom, until it is told to stop, or an experiment.

use std::convert::Infallible;
use std::fs::{self, File};
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::Builder;
use std::time::Duration;

use clap::{Args, ValueHint};
use crossbeam_channel::{Receiver, bounded, select};
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;

use super::error::{CliError, Result};
use super::start::print_aside;
use super::ui::{Pages, bind};
use crate::api::DEFAULT_PORT;
use crate::chain::{Difficulty, Network};
use crate::escape::Escaped;
use crate::lab::{Folder, Lab, Name, Plan, script};
use crate::logging;
use crate::settings::LogFormat;
use crate::settings::values::{path, seconds, whole};
use crate::signals::StopSignals;
use crate::ui::{Home, Ui};

/// Name of the network, so that a classroom and other miners never mix.
const NETWORK: &str = "lab";

/// Longest experiment: some ten thousand lines.
const SCRIPT_BYTES_MAX: u64 = 1 << 20;

/// Longest time in which a start that was broken off is at its end.
const START_END: Duration = Duration::from_secs(5);

/// Of flags that `ui` has, too, what they mean to a class.
const HOST_HELP: &str =
    "Address to serve pages on; 0.0.0.0 lets others in the room look, add messages and join";
const ALLOW_HOST_HELP: &str = "Name by which browsers may open the pages, such as classroom.local";

/// The flags of `lab`.
#[derive(Args, Debug)]
#[command(mut_arg("host", |arg| arg.help(HOST_HELP)))]
#[command(mut_arg("allow_host", |arg| arg.help(ALLOW_HOST_HELP)))]
pub struct Flags {
    /// Number of miners, at most 12
    #[arg(value_name = "N", default_value_t = 5, value_parser = whole::<usize>(1, Name::COUNT as u64))]
    miners: usize,
    /// Run the experiment in this file, without a browser, and exit 0 or 1
    #[arg(long, value_name = "FILE", value_parser = path(), value_hint = ValueHint::FilePath)]
    script: Option<PathBuf>,
    /// Folder for the miners' files, to go on from next time [default: a temporary one]
    #[arg(long, value_name = "DIR", value_parser = path(), value_hint = ValueHint::DirPath)]
    dir: Option<PathBuf>,
    #[command(flatten)]
    pages: Pages,
    /// Port of the first miner; the others take the next ones
    #[arg(long, value_name = "PORT", default_value_t = DEFAULT_PORT)]
    #[arg(value_parser = whole::<u16>(1, 65_500))]
    first_port: u16,
    /// Zeros at the end of every proof's hash
    #[arg(short, long, value_name = "ZEROS", default_value_t = Difficulty::DEFAULT)]
    difficulty: Difficulty,
    /// Average time between two blocks, while all miners mine
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "5")]
    block_time: Duration,
}

/// Runs a classroom until a signal says stop, or an experiment until its end.
pub fn run(flags: &Flags, stop: &StopSignals) -> Result {
    // Without a log there is none; the class is there all the same.
    _ = logging::start(log::LevelFilter::Warn, LogFormat::Text, None);
    let lines = flags.script.as_deref().map(read_script).transpose()?;
    let public = public(&flags.pages.host)?;
    let pages = match lines {
        Some(_) => None,
        None => Some(bind(&flags.pages.host, flags.pages.port)?),
    };
    let folder = match &flags.dir {
        Some(given) => Folder::given(given),
        None => Folder::temporary(),
    };
    let folder = folder?;
    let lab = start(plan(flags, folder.path.clone(), public), stop)?;
    let outcome = match (lines, pages) {
        (Some(lines), _) => experiment(flags, lines, &lab, stop),
        (None, Some(pages)) => classroom(flags, pages, &lab, stop),
        (None, None) => Ok(()),
    };
    lab.class.end();
    outcome
}

fn read_script(file: &Path) -> Result<Vec<script::Step>> {
    let failed = |error| CliError::other(format!("cannot read {}: {error}", file.display()));
    // A pipe would be waited for without end, and a device be read without end.
    if !fs::metadata(file).map_err(failed)?.is_file() {
        return Err(failed(io::Error::other("it is no regular file")));
    }
    let mut text = String::new();
    let read =
        File::open(file).and_then(|file| file.take(SCRIPT_BYTES_MAX + 1).read_to_string(&mut text));
    if read.map_err(failed)? as u64 > SCRIPT_BYTES_MAX {
        let why = format!("an experiment has at most {SCRIPT_BYTES_MAX} bytes");
        return Err(failed(io::Error::other(why)));
    }
    script::read(&text).map_err(|why| CliError::other(format!("{}:{why}", file.display())))
}

fn plan(flags: &Flags, folder: PathBuf, public: Option<String>) -> Plan {
    let name = NETWORK.parse().expect("it keeps the limits");
    Plan {
        miners: flags.miners,
        network: Network { name, difficulty: flags.difficulty },
        folder,
        first_port: flags.first_port,
        public,
        block_time: flags.block_time.as_secs_f64(),
    }
}

/// Starts the miners. If one does not start, or a signal says stop meanwhile, none runs any more
/// when this returns: they have files in a folder that goes.
fn start(plan: Plan, stop: &StopSignals) -> Result<Arc<Lab>> {
    let lab = Arc::new(Lab::new(plan)?);
    let (tells, started) = bounded(1);
    let begins = Arc::clone(&lab);
    Builder::new().name("start".into()).spawn(move || _ = tells.send(begins.begin()))?;
    let stopped = || CliError::other("stopped before all miners ran");
    let outcome = select! {
        recv(started) -> begun => begun.map_err(|_| stopped()).and_then(|it| Ok(it?)),
        recv(stop.told()) -> _ => Err(stopped()),
    };
    if outcome.is_err() {
        lab.class.end();
        _ = started.recv_timeout(START_END);
    }
    outcome.map(|()| lab)
}

/// Carries out an experiment; its lines go to stdout.
fn experiment(
    flags: &Flags,
    lines: Vec<script::Step>,
    lab: &Arc<Lab>,
    stop: &StopSignals,
) -> Result {
    let (tells, ended) = bounded(1);
    let lab = Arc::clone(lab);
    // A reader that went away is no reason to end an experiment.
    let say = |line: &str| _ = writeln!(io::stdout(), "{}", Escaped(line));
    let carry_out = move || _ = tells.send(script::run(&lines, &lab, say));
    Builder::new().name("script".into()).spawn(carry_out)?;
    let file = flags.script.as_deref().unwrap_or(Path::new("")).display();
    let stopped = || CliError::other(format!("{file}: stopped"));
    select! {
        recv(ended) -> done => {
            let done = done.map_err(|_| stopped())?;
            done.map_err(|why| CliError::other(format!("{file}:{why}")))
        }
        recv(stop.told()) -> _ => Err(stopped()),
    }
}

fn classroom(flags: &Flags, pages: TcpListener, lab: &Arc<Lab>, stop: &StopSignals) -> Result {
    let address = pages.local_addr()?;
    let (died, ended): (_, Receiver<Infallible>) = bounded(0);
    let (home, names) = (Home::Class(Arc::clone(lab)), flags.pages.allow_host.clone());
    let ui = Ui::start(pages, home, names, died)
        .map_err(|error| CliError::other(format!("cannot serve pages: {error}")))?;
    print_aside(greeting(flags, address, lab));
    select! {
        recv(stop.told()) -> _ => {}
        recv(ended) -> _ => return Err(CliError::other("cannot serve pages any more")),
    }
    // It ends with the process: a page may wait for a miner that does not answer.
    std::mem::forget(ui);
    Ok(())
}

fn greeting(flags: &Flags, address: SocketAddr, lab: &Lab) -> String {
    let port = address.port();
    let here = match address.ip() {
        ip if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        ip => ip,
    };
    let here = SocketAddr::new(here, port);
    let names: Vec<_> = lab.class.members().iter().map(|name| name.as_str()).collect();
    let mut text = format!(
        "listening on http://{here}\n\n\
         {} mine on the network \"{NETWORK}\", a block about every {} s while messages wait.\n\n\
         the wall         http://{here}/wall\n\
         the experiments  http://{here}/learn\n",
        names.join(", "),
        flags.block_time.as_secs_f64(),
    );
    let plan = &lab.class.plan;
    if let Some(host) = &plan.public {
        let shown = flags.pages.allow_host.first().unwrap_or(host);
        let url = format!("http://{shown}:{port}/wall");
        let difficulty = plan.network.difficulty;
        text += &format!(
            "\nOthers in this room look at {url}\n{}\n\
             and join with a miner of their own:\n\
             blockchain miner start mine.chain --host 0.0.0.0 --network {NETWORK} \
             --difficulty {difficulty} --hash-rate-limit {} --neighbours {host}:{}\n",
            qr(&url),
            plan.pace(),
            plan.first_port,
        );
    }
    if address.ip().is_unspecified() && plan.public.is_none() {
        text += "\nThis host is in no network by which others could look on.\n";
    }
    text + "\nCtrl-C ends all of it.\n"
}

/// A QR code for a terminal, dark on light whatever its colours are; elsewhere it would be noise.
fn qr(text: &str) -> String {
    let code = QrCode::new(text).ok().filter(|_| io::stdout().is_terminal());
    let Some(code) = code else { return String::new() };
    let mut picture = code.render::<Dense1x2>();
    let lines = picture.dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
    lines.lines().map(|line| format!("\u{1b}[97;40m{line}\u{1b}[0m\n")).collect()
}

/// The address under which other hosts reach this one; none while it listens on loopback.
///
/// # Errors
/// It would not listen on loopback, from where alone the class takes orders.
fn public(host: &str) -> Result<Option<String>> {
    match host.parse::<IpAddr>() {
        Ok(ip) if ip.is_unspecified() => Ok(own_address().map(|ip| ip.to_string())),
        Ok(ip) if ip.is_loopback() => Ok(None),
        _ if host == "localhost" => Ok(None),
        _ => Err(CliError::other(format!(
            "a class does not listen on {host} alone, since it takes orders by 127.0.0.1; \
             give --host 0.0.0.0, or :: for IPv6"
        ))),
    }
}

/// The address that the host has in its network: the one from which it would reach another
/// network, if there is one. Nothing is sent.
fn own_address() -> Option<IpAddr> {
    let elsewhere = (Ipv4Addr::new(192, 0, 2, 1), 9);
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0));
    let address = socket.and_then(|socket| {
        socket.connect(elsewhere)?;
        socket.local_addr()
    });
    address.ok().map(|address| address.ip())
}
