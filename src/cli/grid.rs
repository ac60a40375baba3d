//! Rows in columns that fit the terminal: first long cells are cut, then columns that can be done without go. Where no
//! terminal is, nothing is cut.

use std::io::{IsTerminal, stdout};

use super::output::Paint;
use super::plain::cut;

const GAP: usize = 2;
/// The width of a terminal that does not tell its own.
const USUAL: usize = 80;

/// One column.
pub(super) struct Column {
    heading: &'static str,
    /// How narrow it may become by cutting; `None` is never cut.
    least: Option<usize>,
    /// When it goes if there is still no room: 1 first; 0 never.
    order: u8,
    width: usize,
    shown: bool,
}

/// A column that is shown whole, always.
pub(super) const fn whole(heading: &'static str) -> Column {
    Column { heading, least: None, order: 0, width: 0, shown: true }
}

impl Column {
    /// It may be cut to this width.
    pub(super) const fn cut_to(mut self, least: usize) -> Self {
        self.least = Some(least);
        self
    }

    /// It goes as the `order`th.
    pub(super) const fn goes(mut self, order: u8) -> Self {
        self.order = order;
        self
    }

    /// It is at least so wide from the beginning, for rows that nobody knows yet.
    pub(super) const fn wide(mut self, width: usize) -> Self {
        self.width = width;
        self
    }
}

/// The columns of a table whose rows may still be coming.
pub(super) struct Grid(Vec<Column>);

impl Grid {
    /// Columns wide enough for these rows, in `room` characters if there is a bound.
    pub(super) fn new(columns: Vec<Column>, rows: &[Vec<String>], room: Option<usize>) -> Self {
        let mut grid = Self(columns);
        for (index, column) in grid.0.iter_mut().enumerate() {
            let cells = rows.iter().filter_map(|row| row.get(index)).map(|cell| cell.chars().count());
            let widest = cells.max().unwrap_or(0);
            column.width = column.width.max(widest).max(column.heading.chars().count());
        }
        if let Some(room) = room {
            grid.fit(room);
        }
        grid
    }

    fn fit(&mut self, room: usize) {
        let natural: Vec<usize> = self.0.iter().map(|column| column.width).collect();
        loop {
            for (column, natural) in self.0.iter_mut().zip(&natural) {
                column.width = *natural;
            }
            let used: usize =
                self.0.iter().filter(|column| column.shown).map(|column| column.width + GAP).sum();
            let mut over = used.saturating_sub(GAP).saturating_sub(room);
            // The last columns are the first to give way.
            for column in self.0.iter_mut().rev().filter(|column| column.shown) {
                let Some(least) = column.least else { continue };
                let gives = column.width.saturating_sub(least.max(column.heading.len())).min(over);
                column.width -= gives;
                over -= gives;
            }
            let next = self.0.iter_mut().filter(|column| column.shown && column.order > 0);
            match next.min_by_key(|column| column.order) {
                Some(column) if over > 0 => column.shown = false,
                _ => return,
            }
        }
    }

    /// The line of headings.
    pub(super) fn heading(&self, paint: Paint) -> String {
        let row: Vec<String> = self.0.iter().map(|column| column.heading.to_owned()).collect();
        self.line(&row, |_, cell| paint.strong(cell))
    }

    /// One row; `paint` colours a cell by its column.
    pub(super) fn line(&self, row: &[String], paint: impl Fn(usize, &str) -> String) -> String {
        let mut line = String::new();
        let cells = self.0.iter().zip(row).enumerate().filter(|(_, (column, _))| column.shown);
        for (index, (column, cell)) in cells {
            let cell = if column.least.is_some() { cut(cell, column.width) } else { cell.clone() };
            let pad = column.width.saturating_sub(cell.chars().count()) + GAP;
            line.push_str(&paint(index, &cell));
            line.push_str(&" ".repeat(pad));
        }
        line.truncate(line.trim_end().len());
        line.push('\n');
        line
    }
}

/// How many characters a line of the terminal has; `None` where standard output is none.
pub(super) fn room() -> Option<usize> {
    let out = stdout();
    out.is_terminal().then(|| {
        let size = rustix::termios::tcgetwinsize(&out).ok().map(|size| usize::from(size.ws_col));
        size.filter(|columns| *columns > 0).unwrap_or(USUAL)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(room: Option<usize>) -> String {
        let columns =
            || vec![whole("ID"), whole("ROUTE").cut_to(5).goes(2), whole("EVENT").cut_to(6).goes(1)];
        let row: Vec<String> = ["0123456789", "a-long-route", "invoice.paid"].map(str::to_owned).into();
        let grid = Grid::new(columns(), std::slice::from_ref(&row), room);
        grid.heading(Paint::plain()) + &grid.line(&row, |_, cell| cell.to_owned())
    }

    #[test]
    fn what_does_not_fit_is_cut_and_then_left_out_but_never_the_id() {
        for (room, expected) in [
            (None, "ID          ROUTE         EVENT\n0123456789  a-long-route  invoice.paid\n"),
            (Some(38), "ID          ROUTE         EVENT\n0123456789  a-long-route  invoice.paid\n"),
            (Some(35), "ID          ROUTE         EVENT\n0123456789  a-long-route  invoice.…\n"),
            (Some(26), "ID          ROUTE   EVENT\n0123456789  a-lon…  invoi…\n"),
            (Some(20), "ID          ROUTE\n0123456789  a-long-…\n"),
            (Some(5), "ID\n0123456789\n"),
        ] {
            assert_eq!(table(room), expected, "{room:?}");
        }
    }
}
