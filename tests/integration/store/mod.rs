//! Files: on a simulated disk that fails and loses, and on the real one.

mod damage;
mod damage_while_running;
mod faults;
mod files;
mod full_disk;
mod life;
mod power_cuts;
