//! Things under keys that are never given out again, so that an event for something that
//! is gone finds nothing.

/// Names one thing: its place, and how many had that place before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    place: u32,
    turn: u32,
}

impl Key {
    /// As 62 bits; the reverse of [`Key::from_bits`].
    pub fn bits(self) -> u64 {
        u64::from(self.turn) << 32 | u64::from(self.place)
    }

    pub fn from_bits(bits: u64) -> Self {
        Self { place: bits as u32, turn: (bits >> 32) as u32 & TURN_MAX }
    }
}

/// Leaves two bits to tell kinds of things apart.
const TURN_MAX: u32 = u32::MAX >> 2;

pub struct Slab<T> {
    places: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    pub fn new() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }

    pub fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub fn insert(&mut self, thing: T) -> Key {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push((0, None));
            u32::try_from(self.places.len() - 1).expect("there are fewer descriptors than that")
        });
        let (turn, slot) = &mut self.places[place as usize];
        *slot = Some(thing);
        Key { place, turn: *turn }
    }

    pub fn get(&mut self, key: Key) -> Option<&mut T> {
        let (turn, slot) = self.places.get_mut(key.place as usize)?;
        slot.as_mut().filter(|_| *turn == key.turn)
    }

    pub fn remove(&mut self, key: Key) -> Option<T> {
        self.get(key)?;
        let (turn, slot) = &mut self.places[key.place as usize];
        *turn = (*turn + 1) & TURN_MAX;
        self.free.push(key.place);
        slot.take()
    }

    /// All things, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.places.iter().zip(0..).filter_map(|((turn, slot), place)| {
            slot.as_ref().map(|thing| (Key { place, turn: *turn }, thing))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_something_gone_finds_nothing() {
        let mut slab = Slab::new();
        let (a, b) = (slab.insert('a'), slab.insert('b'));
        assert_eq!(slab.remove(a), Some('a'));
        let c = slab.insert('c');
        assert_eq!(slab.get(a), None);
        assert_eq!(slab.remove(a), None);
        assert_eq!(slab.len(), 2);
        assert_eq!(slab.get(Key::from_bits(c.bits())), Some(&mut 'c'));
        assert_eq!(slab.iter().map(|(key, _)| key).collect::<Vec<_>>(), [c, b]);
    }
}
