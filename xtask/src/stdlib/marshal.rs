//! A search for marshal bytes, which an archive must not hold.
//!
//! In a marshal stream, a code object is a type byte, five or six 32-bit numbers, and a bytes object with the
//! instructions. These are 26 or more bytes in a row that occur in marshal streams only. The search looks for the start
//! of every code object of the compiled files.

use std::collections::HashSet;

/// Type bytes of a code object and of a bytes object, and the flag of objects that others may refer to.
const CODE: u8 = b'c';
const BYTES: u8 = b's';
const FLAG_REF: u8 = 0x80;

/// Length of the numbers between the two type bytes: from CPython 3.11 on, and before.
const NUMBERS: [usize; 2] = [20, 24];

/// Length of the bytes that are compared: type byte, numbers of the longer form, type byte, length, two bytes of
/// instructions.
const LEN: usize = 1 + 24 + 1 + 4 + 2;

/// The starts of all code objects in marshal streams.
#[derive(Debug, Default)]
pub(super) struct Starts(HashSet<[u8; LEN]>);

impl Starts {
    /// Adds the starts of the code objects of one stream.
    pub(super) fn add(&mut self, stream: &[u8]) {
        self.0.extend(windows(stream));
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The offset of the first code object in marshal form.
    pub(super) fn find_in(&self, bytes: &[u8]) -> Option<usize> {
        bytes.windows(LEN).position(|window| window[0] & !FLAG_REF == CODE && self.0.contains(window))
    }
}

fn windows(stream: &[u8]) -> impl Iterator<Item = [u8; LEN]> + '_ {
    stream.windows(LEN).filter(|window| is_start(window)).filter_map(|window| window.try_into().ok())
}

fn is_start(window: &[u8]) -> bool {
    // Text may have these letters at these distances, but no numbers below 65,536 between them.
    let is_number = |at: usize| window[at + 2..at + 4] == [0, 0];
    window[0] & !FLAG_REF == CODE
        && [1, 5, 9, 13].into_iter().all(is_number)
        && NUMBERS.iter().any(|numbers| window[1 + numbers] & !FLAG_REF == BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marshal_stream_is_found_wherever_it_lies() {
        let mut stream = vec![CODE | FLAG_REF];
        stream.extend([7, 1, 0, 0].repeat(5));
        stream.push(BYTES);
        stream.extend([9; 40]);
        let mut starts = Starts::default();
        starts.add(&stream);
        assert_eq!(starts.len(), 1);
        let mut file = vec![0; 100];
        assert_eq!(starts.find_in(&file), None);
        file.extend(&stream);
        assert_eq!(starts.find_in(&file), Some(100));
    }
}
