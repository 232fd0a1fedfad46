//! Iterators over views that have a method to get an element by its index.

/// Makes an iterator type over `owner.at(index)` for the indexes `0..owner.count()`.
macro_rules! indexed {
    ($(#[$doc:meta])* $name:ident of $owner:ident yields $item:ty, $at:ident;) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name<'a> {
            owner: $owner<'a>,
            range: core::ops::Range<usize>,
        }

        impl<'a> $name<'a> {
            pub(crate) fn new(owner: $owner<'a>, range: core::ops::Range<usize>) -> Self {
                $name { owner, range }
            }
        }

        impl<'a> Iterator for $name<'a> {
            type Item = $item;

            #[inline]
            fn next(&mut self) -> Option<$item> {
                self.range.next().map(|index| self.owner.$at(index))
            }

            fn size_hint(&self) -> (usize, Option<usize>) {
                self.range.size_hint()
            }

            fn nth(&mut self, n: usize) -> Option<$item> {
                self.range.nth(n).map(|index| self.owner.$at(index))
            }
        }

        impl DoubleEndedIterator for $name<'_> {
            fn next_back(&mut self) -> Option<Self::Item> {
                self.range.next_back().map(|index| self.owner.$at(index))
            }
        }

        impl ExactSizeIterator for $name<'_> {}
        impl core::iter::FusedIterator for $name<'_> {}
    };
}
pub(crate) use indexed;
