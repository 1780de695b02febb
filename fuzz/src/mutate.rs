//! Changes of inputs.

/// Numbers that look random and are the same for the same seed.
pub struct Random(u64);

impl Random {
    /// Begins a series.
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// A length: mostly short, at times up to a kibibyte.
    fn length(&mut self) -> usize {
        let bits = self.below(11);
        1 + self.below(1 << bits)
    }

    /// A number below `n`, which is not 0.
    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or(0) % n
    }
}

/// Bytes that mean something to some reader.
const BYTES: &[u8] = b"<>&;/\"'=?![](){},:-#%\\ \t\r\n\0\x01\x7f\x80\xc2\xe9\xff09aAzZ_.";

/// Changes an input in one to eight places; `other` is another input to take pieces from.
pub fn mutate(input: &mut Vec<u8>, other: &[u8], words: &[&str], longest: usize, random: &mut Random) {
    for _ in 0..1 << random.below(4) {
        once(input, other, words, random);
    }
    input.truncate(longest);
}

fn once(input: &mut Vec<u8>, other: &[u8], words: &[&str], random: &mut Random) {
    let at = random.below(input.len() + 1);
    let end = input.len().min(at + random.length());
    match random.below(10) {
        0 => drop(input.drain(at..end)),
        1 if at < input.len() => input[at] ^= 1 << random.below(8),
        2 if at < input.len() => input[at] = BYTES[random.below(BYTES.len())],
        3 => input.insert(at, BYTES[random.below(BYTES.len())]),
        4 if !input.is_empty() => {
            let to = random.below(input.len() + 1);
            let piece = input[at..end].to_vec();
            input.splice(to..to, piece);
        }
        5 if !other.is_empty() => {
            let from = random.below(other.len());
            let until = other.len().min(from + random.length());
            input.splice(at..if random.below(2) == 0 { at } else { end }, other[from..until].iter().copied());
        }
        6 => number(input, at, random),
        7 => {
            let piece = input[at..end].repeat(1 + random.below(8));
            input.splice(at..at, piece);
        }
        _ if !words.is_empty() => {
            let word = words[random.below(words.len())].bytes();
            let behind = if random.below(3) == 0 { end } else { at };
            input.splice(at..behind, word);
        }
        _ => {}
    }
}

/// Another number in the place of the next one.
fn number(input: &mut Vec<u8>, at: usize, random: &mut Random) {
    const NUMBERS: &[&str] = &["0", "1", "-1", "255", "65536", "2147483648", "9223372036854775807", "18446744073709551616", "1e400", "0.5"];
    let Some(start) = input[at..].iter().position(u8::is_ascii_digit).map(|i| at + i) else { return };
    let len = input[start..].iter().take_while(|b| b.is_ascii_digit()).count();
    input.splice(start..start + len, NUMBERS[random.below(NUMBERS.len())].bytes());
}
