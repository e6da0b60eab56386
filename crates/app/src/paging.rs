//! Long lists in pieces.

/// Rows of a page unless the caller asks otherwise.
const DEFAULT_SIZE: u32 = 25;
/// Most rows of one page.
const MAX_SIZE: u32 = 200;

/// Which piece of a list. Whatever stands in it, [`Page::limit`] and [`Page::offset`] are in range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The first one is 1; 0 counts as that.
    pub number: u32,
    /// Rows of a page, 1–200.
    pub size: u32,
}

impl Default for Page {
    fn default() -> Self {
        Self::new(1)
    }
}

impl Page {
    /// That page, of the usual size.
    pub const fn new(number: u32) -> Self {
        Self { number, size: DEFAULT_SIZE }
    }

    /// The first of the largest pages there are: where a walk over all rows starts, see [`Side::next`].
    pub const fn all() -> Self {
        Self { number: 1, size: MAX_SIZE }
    }

    /// Rows to read.
    pub fn limit(self) -> u64 {
        u64::from(self.size.clamp(1, MAX_SIZE))
    }

    /// Rows to pass over first.
    pub fn offset(self) -> u64 {
        u64::from(self.number.max(1) - 1) * self.limit()
    }

    /// This piece of a list that is at hand as a whole.
    pub fn of<T>(self, all: impl ExactSizeIterator<Item = T>) -> Side<T> {
        let total = all.len() as u64;
        let skip = usize::try_from(self.offset()).unwrap_or(usize::MAX);
        let take = usize::try_from(self.limit()).unwrap_or(usize::MAX);
        Side { rows: all.skip(skip).take(take).collect(), total, page: self }
    }
}

/// One piece of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side<T> {
    /// The rows; none on a page behind the last one.
    pub rows: Vec<T>,
    /// Rows on all pages together.
    pub total: u64,
    /// Which page this is.
    pub page: Page,
}

impl<T> Side<T> {
    /// Pages in all, at least one.
    pub fn pages(&self) -> u64 {
        self.total.div_ceil(self.page.limit()).max(1)
    }

    /// The page after this one, if there is one.
    pub fn next(&self) -> Option<Page> {
        let number = self.page.number.max(1);
        (u64::from(number) < self.pages()).then_some(Page { number: number + 1, size: self.page.size })
    }

    /// The same page of other rows.
    pub fn map<U>(self, other: impl FnMut(T) -> U) -> Side<U> {
        let Self { rows, total, page } = self;
        Side { rows: rows.into_iter().map(other).collect(), total, page }
    }

    /// The same page of other rows, without those for which there is none.
    pub(crate) fn filter_map<U>(self, other: impl FnMut(T) -> Option<U>) -> Side<U> {
        let Self { rows, total, page } = self;
        Side { rows: rows.into_iter().filter_map(other).collect(), total, page }
    }

    /// The whole list, which fits on one page.
    pub(crate) fn of_few(rows: Vec<T>, page: Page) -> Self {
        let total = rows.len() as u64;
        let rows = if page.offset() == 0 { rows } else { Vec::new() };
        Self { rows, total, page }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_out_of_range_are_brought_into_it() {
        assert_eq!((Page::default().offset(), Page::default().limit()), (0, 25));
        let wild = Page { number: 0, size: 0 };
        assert_eq!((wild.offset(), wild.limit()), (0, 1));
        let wild = Page { number: u32::MAX, size: u32::MAX };
        assert_eq!((wild.offset(), wild.limit()), (u64::from(u32::MAX - 1) * 200, 200));
    }

    #[test]
    fn walk_ends_with_the_last_row() {
        let side = |number, total| Side::<()> { rows: vec![], total, page: Page { number, size: 10 } };
        assert_eq!(side(1, 0).next(), None);
        assert_eq!(side(1, 10).next(), None);
        assert_eq!(side(1, 11).next(), Some(Page { number: 2, size: 10 }));
        assert_eq!(side(2, 11).next(), None);
        assert_eq!((side(1, 0).pages(), side(1, 10).pages(), side(1, 11).pages()), (1, 1, 2));
    }
}
