//! Invented machines: what each says, from its number, a seed and how far it has changed. Nothing here knows a clock or chance.
//!
//! Absent on purpose: the recorded inventories they are made of (`sample`) and sending (`load`).

use super::sample::{self, Part, Program, Slot};
use clap::ValueEnum;
use muster_wire::body::{Coding, encode_body};
use muster_wire::legacy::Dialect;
use std::fmt::Write as _;
use std::ops::{Range, RangeInclusive};

/// Which agents the machines have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// FusionInventory Agent 2.6
    Fusioninventory,
    /// OCS Inventory's agent for Unix 2.10
    Ocs,
}

impl Protocol {
    /// How the reader is told.
    pub fn dialect(self) -> Dialect {
        if self == Self::Ocs { Dialect::OcsUnix } else { Dialect::FusionInventory }
    }

    fn head(self) -> &'static str {
        match self {
            Self::Fusioninventory => {
                "POST / HTTP/1.1\r\nHost: localhost\r\nPragma: no-cache\r\nUser-Agent: FusionInventory-Agent_v2.6-3\r\n\
                 Content-Type: application/x-compress-zlib\r\n"
            }
            Self::Ocs => {
                "POST /ocsinventory HTTP/1.1\r\nHost: localhost\r\nUser-Agent: OCS-NG_unified_unix_agent_v2.10.0\r\n\
                 Content-Type: application/x-compress\r\n"
            }
        }
    }
}

/// How far machines have changed since their first inventory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// How often one program was replaced by another version of itself.
    pub change: u32,
    /// How often only readings moved on: start, time, free space, processes.
    pub reading: u32,
}

/// All machines of a run.
pub struct Fleet {
    protocol: Protocol,
    seed: u64,
    programs: RangeInclusive<usize>,
    template: Vec<Part>,
    dictionary: Vec<Program>,
}

/// What a machine sends at one contact: whole HTTP requests.
pub struct Exchange {
    /// The machine.
    pub number: u64,
    /// Its question whether an inventory is wanted.
    pub prolog: Vec<u8>,
    /// Its inventory.
    pub inventory: Vec<u8>,
    /// Where the inventory's body begins.
    body: usize,
}

impl Exchange {
    /// The inventory as it is packed.
    pub fn body(&self) -> &[u8] {
        &self.inventory[self.body..]
    }
}

impl Fleet {
    /// Machines with a number of programs within a range; the range's end is at most [`sample::DICTIONARY`].
    pub fn new(protocol: Protocol, seed: u64, programs: RangeInclusive<usize>) -> anyhow::Result<Self> {
        let dictionary = sample::dictionary()?;
        anyhow::ensure!(
            programs.start() <= programs.end() && *programs.end() <= dictionary.len() && *programs.start() > 0,
            "--programs {}-{}: MIN and MAX are from 1 to {}, MIN is not above MAX",
            programs.start(),
            programs.end(),
            dictionary.len()
        );
        Ok(Self { protocol, seed, programs, template: sample::template(protocol)?, dictionary })
    }

    /// A machine's host name.
    pub fn name(&self, number: u64) -> String {
        format!("bench-{number:07}")
    }

    /// The requests of many machines, made by all processors, in the order of their numbers.
    pub fn exchanges(&self, numbers: Range<u64>, state: State) -> Vec<Exchange> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
        let share = (numbers.end - numbers.start).div_ceil(threads).max(1);
        let starts = (numbers.start..numbers.end).step_by(usize::try_from(share).unwrap_or(usize::MAX));
        std::thread::scope(|scope| {
            let parts: Vec<_> = starts
                .map(|start| {
                    let end = numbers.end.min(start + share);
                    scope.spawn(move || (start..end).map(|n| self.exchange(n, state)).collect::<Vec<_>>())
                })
                .collect();
            parts.into_iter().flat_map(|part| part.join().expect("making an inventory does not panic")).collect()
        })
    }

    fn exchange(&self, number: u64, state: State) -> Exchange {
        let (prolog, _) = self.request(&self.prolog(number));
        let (inventory, body) = self.request(&self.document(number, state));
        Exchange { number, prolog, inventory, body }
    }

    fn request(&self, document: &str) -> (Vec<u8>, usize) {
        let packed = encode_body(document.as_bytes(), Coding::Zlib);
        let mut whole = format!("{}Content-Length: {}\r\n\r\n", self.protocol.head(), packed.len()).into_bytes();
        let body = whole.len();
        whole.extend_from_slice(&packed);
        (whole, body)
    }

    fn device_id(&self, number: u64) -> String {
        format!("{}-2026-11-21-03-09-07", self.name(number))
    }

    fn prolog(&self, number: u64) -> String {
        let token = if self.protocol == Protocol::Ocs { "" } else { "  <TOKEN>12345678</TOKEN>\n" };
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<REQUEST>\n  <DEVICEID>{}</DEVICEID>\n  <QUERY>PROLOG</QUERY>\n{token}</REQUEST>\n",
            self.device_id(number)
        )
    }

    /// The inventory of a machine as XML.
    pub fn document(&self, number: u64, state: State) -> String {
        let mut xml = String::with_capacity(512 << 10);
        for part in &self.template {
            match part {
                Part::Text(text) => xml.push_str(text),
                Part::Slot(Slot::Programs) => self.programs(&mut xml, number, state),
                Part::Slot(Slot::Processes) => self.processes(&mut xml, number, state),
                // Writing to a text cannot fail; so below.
                Part::Slot(slot) => drop(self.value(&mut xml, *slot, number, state)),
            }
        }
        xml
    }

    fn value(&self, xml: &mut String, slot: Slot, n: u64, state: State) -> std::fmt::Result {
        let mut chance = Chance::of(self.seed, n, 1);
        let (high, middle, low) = (n >> 16 & 0xff, n >> 8 & 0xff, n & 0xff);
        let reading = u64::from(state.reading);
        match slot {
            Slot::Name => write!(xml, "{}", self.name(n)),
            Slot::DeviceId => write!(xml, "{}", self.device_id(n)),
            Slot::Uuid => write!(xml, "be9c{:04x}-3b44-4d0e-9c3a-{:012x}", self.seed & 0xffff, n + 1),
            Slot::Serial(what) => write!(xml, "BX{what}{n:07}"),
            Slot::Mac(interface) => write!(xml, "00:1b:{:02x}:{high:02x}:{middle:02x}:{low:02x}", interface + 0x21),
            Slot::Address(interface) => write!(xml, "10.{}.{middle}.{low}", (high + interface as u64 * 64) & 0xff),
            Slot::Free => write!(xml, "{}", 40_000 + chance.below(200_000) - reading * 7 % 40_000),
            Slot::Booted => write!(xml, "2026-11-{:02} {:02}:48:47", 1 + chance.below(20), (chance.below(24) + reading) % 24),
            Slot::Uptime => {
                let minute = chance.below(1_440) + reading * 3;
                write!(xml, "x86_64/00-00-{:02} {:02}:{:02}:21", minute / 1_440 % 28, minute / 60 % 24, minute % 60)
            }
            Slot::Looked => write!(xml, "2026-11-21 {:02}:{:02}:{:02}", reading / 60 % 24, reading % 60, chance.below(60)),
            Slot::Programs | Slot::Processes => Ok(()),
        }
    }

    /// Which programs a machine has, as places in the dictionary in its order.
    fn chosen(&self, number: u64) -> Vec<usize> {
        let mut chance = Chance::of(self.seed, number, 2);
        let spread = (self.programs.end() - self.programs.start() + 1) as u64;
        let count = self.programs.start() + chance.index(spread);
        let mut all: Vec<usize> = (0..self.dictionary.len()).collect();
        for at in 0..count {
            let other = at + chance.index((all.len() - at) as u64);
            all.swap(at, other);
        }
        all.truncate(count);
        all.sort_unstable();
        all
    }

    /// The program of a machine that changes, and the version it has.
    pub fn changing(&self, number: u64, state: State) -> (String, String) {
        let chosen = self.chosen(number);
        let place = Chance::of(self.seed, number, 3).index(chosen.len() as u64);
        let place = chosen.get(place).copied().unwrap_or_default();
        (self.dictionary[place].name.clone(), self.version(number, place, place, state))
    }

    /// Most machines have a program's usual version; some are behind. The one that changes is ahead.
    fn version(&self, number: u64, place: usize, changing: usize, state: State) -> String {
        let usual = &self.dictionary[place].version;
        if place == changing && state.change > 0 {
            return format!("{usual}+u{}", state.change);
        }
        match Chance::of(self.seed, number, 1_000 + place as u64).below(20) {
            0 => format!("{usual}~bpo1"),
            1..=3 => format!("{usual}+b1"),
            _ => usual.clone(),
        }
    }

    fn programs(&self, xml: &mut String, number: u64, state: State) {
        let chosen = self.chosen(number);
        let changing = chosen.get(Chance::of(self.seed, number, 3).index(chosen.len() as u64)).copied().unwrap_or(usize::MAX);
        for place in chosen {
            let program = &self.dictionary[place];
            let version = self.version(number, place, changing, state);
            let _ = match self.protocol {
                Protocol::Ocs => ocs_program(xml, program, &version),
                Protocol::Fusioninventory => fusion_program(xml, program, &version),
            };
        }
    }

    fn processes(&self, xml: &mut String, number: u64, state: State) {
        let mut chance = Chance::of(self.seed, number, 4 + (u64::from(state.reading) << 32));
        for at in 0..80 {
            let program = &self.dictionary[at * 23 % self.dictionary.len()].name;
            let base = program.split(':').next().unwrap_or(program);
            let _ = write!(
                xml,
                "    <PROCESSES>\n      <CMD>/usr/sbin/{base} --daemon</CMD>\n      <CPUUSAGE>{}.{}</CPUUSAGE>\n      <MEM>0.{}</MEM>\n      \
                 <PID>{}</PID>\n      <STARTED>2026-11-{:02} {:02}:{:02}</STARTED>\n      <TTY>?</TTY>\n      <USER>root</USER>\n      \
                 <VIRTUALMEMORY>{}</VIRTUALMEMORY>\n    </PROCESSES>\n",
                chance.below(3),
                chance.below(10),
                chance.below(10),
                100 + at as u64 * 31 + chance.below(30),
                1 + chance.below(21),
                chance.below(24),
                chance.below(60),
                10_000 + chance.below(900_000)
            );
        }
    }
}

fn fusion_program(xml: &mut String, p: &Program, version: &str) -> std::fmt::Result {
    let category = ["admin", "libs", "utils", "net", "perl", "python"][p.name.len() % 6];
    let publisher = if p.publisher.is_empty() { "Debian" } else { &p.publisher };
    write!(
        xml,
        "    <SOFTWARES>\n      <ARCH>{}</ARCH>\n      <COMMENTS>{}</COMMENTS>\n      <FILESIZE>{}</FILESIZE>\n      <FROM>deb</FROM>\n      \
         <NAME>{}</NAME>\n      <PUBLISHER>{publisher}</PUBLISHER>\n      <SYSTEM_CATEGORY>{category}</SYSTEM_CATEGORY>\n      \
         <VERSION>{version}</VERSION>\n    </SOFTWARES>\n",
        p.arch, p.comments, p.size, p.name
    )
}

fn ocs_program(xml: &mut String, p: &Program, version: &str) -> std::fmt::Result {
    write!(
        xml,
        "    <SOFTWARES>\n      <ARCHITECTURE>{}</ARCHITECTURE>\n      <COMMENTS>{}</COMMENTS>\n      <FILESIZE>{}</FILESIZE>\n      \
         <FROM>deb</FROM>\n      <INSTALLDATE>{}</INSTALLDATE>\n      <NAME>{}</NAME>\n",
        p.arch, p.comments, p.size, p.installed, p.name
    )?;
    if !p.publisher.is_empty() {
        writeln!(xml, "      <PUBLISHER>{}</PUBLISHER>", p.publisher)?;
    }
    write!(xml, "      <VERSION>{version}</VERSION>\n    </SOFTWARES>\n")
}

/// Numbers that look like chance and are the same in every run (SplitMix64).
struct Chance(u64);

impl Chance {
    fn of(seed: u64, number: u64, purpose: u64) -> Self {
        let mut chance = Self(seed ^ number.wrapping_mul(0xd134_2543_de82_ef95) ^ purpose.wrapping_mul(0x2545_f491_4f6c_dd1d));
        chance.next();
        chance
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 when there is none.
    fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    fn index(&mut self, end: u64) -> usize {
        usize::try_from(self.below(end)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
