//! What the miner's processes take of the host.

use prometheus::{CounterVec, IntGauge, IntGaugeVec, Registry};

use super::looked_up::signed;
use super::{known, opts};
use crate::miner::footprint::{Footprint, memory_limit};

/// Gauges of the miner's and the server's process.
pub struct Processes {
    resident: IntGaugeVec,
    cpu: CounterVec,
    descriptors: IntGaugeVec,
    descriptors_max: IntGaugeVec,
    memory_limit: IntGauge,
}

impl Processes {
    pub fn register(to: &Registry) -> Self {
        let numbers = |name, help| known(to, IntGaugeVec::new(opts(name, help), &["process"]));
        let cpu = opts("cpu_seconds_total", "Time that a process computed");
        let limit = opts(
            "memory_limit_bytes",
            "Memory that all processes may hold: of the control group, or of the host",
        );
        Self {
            resident: numbers("resident_bytes", "Memory that a process holds"),
            cpu: known(to, CounterVec::new(cpu, &["process"])),
            descriptors: numbers("open_files", "Descriptors that a process has open"),
            descriptors_max: numbers("open_files_max", "Descriptors that it may open"),
            memory_limit: known(to, IntGauge::with_opts(limit)),
        }
    }

    pub fn look(&self, server: Option<u32>) {
        self.memory_limit.set(signed(memory_limit().unwrap_or_default()));
        let server = server.and_then(|number| Footprint::of(&number.to_string()));
        for (name, process) in [("miner", Footprint::of("self")), ("server", server)] {
            let Some(process) = process else { continue };
            self.resident.with_label_values(&[name]).set(signed(process.resident));
            self.descriptors.with_label_values(&[name]).set(signed(process.descriptors));
            self.descriptors_max.with_label_values(&[name]).set(signed(process.descriptors_max));
            let cpu = self.cpu.with_label_values(&[name]);
            // Another server process begins at 0, as a counter may.
            if process.cpu_seconds < cpu.get() {
                cpu.reset();
            }
            cpu.inc_by(process.cpu_seconds - cpu.get());
        }
    }
}
