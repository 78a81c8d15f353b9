//! OpenTTD's calendar.

use std::fmt;

/// A day, counted from the first of January of the year 0, which is a leap year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Date(pub(crate) u32);

/// As year, month and day: `1950-01-31`.
impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Years that begin in March have their leap day at the end, where it moves nothing.
        let days = i64::from(self.0) - DAYS_BEFORE_MARCH;
        let (cycle, day) = (days.div_euclid(DAYS_IN_400_YEARS), days.rem_euclid(DAYS_IN_400_YEARS));
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        write!(f, "{:04}-{month:02}-{day:02}", cycle * 400 + year + next)
    }
}

const DAYS_BEFORE_MARCH: i64 = 60;
const DAYS_IN_400_YEARS: i64 = 146_097;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_the_date_that_the_game_shows() {
        for (day, expected) in [
            (0, "0000-01-01"),
            (59, "0000-02-29"),
            (60, "0000-03-01"),
            (366, "0001-01-01"),
            (712_223, "1950-01-01"),
            (712_276, "1950-02-23"),
            (712_223 + 730 + 59, "1952-02-29"),
            (712_223 + 730 + 60, "1952-03-01"),
            (u32::MAX, "11759221-01-19"),
        ] {
            assert_eq!(Date(day).to_string(), expected);
        }
    }
}
