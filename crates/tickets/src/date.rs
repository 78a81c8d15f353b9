//! Points in time, as PASETO writes them: `2026-01-31T23:59:59+00:00`.

/// Writes milliseconds since 1970, down to the second; the year 9999 is the last.
pub(crate) fn format(unix_ms: u64) -> String {
    let seconds = (unix_ms / 1000).min(LAST_SECOND);
    let (days, time) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date_of(days);
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}+00:00")
}

/// Reads what [`format`] wrote, or the same with `Z`; as milliseconds since 1970.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let text = text.strip_suffix("+00:00").or_else(|| text.strip_suffix('Z'))?;
    let bytes: &[u8; 19] = text.as_bytes().try_into().ok()?;
    let signs = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if signs.iter().any(|(place, sign)| bytes[*place] != *sign) {
        return None;
    }
    let number = |from: usize, to: usize| {
        let digits = &bytes[from..to];
        let all_digits = digits.iter().all(u8::is_ascii_digit);
        all_digits.then(|| digits.iter().fold(0, |n, digit| n * 10 + u64::from(digit - b'0')))
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if year < 1970 || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days_of(year, month, day)?;
    Some((days * 86_400 + hour * 3600 + minute * 60 + second) * 1000)
}

/// 9999-12-31T23:59:59.
const LAST_SECOND: u64 = 253_402_300_799;

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in(year: u64, month: u64) -> u64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u64::from(is_leap(year)),
        _ => 31,
    }
}

/// Days from 1970 to the beginning of a year.
fn days_before(year: u64) -> u64 {
    let leaps = |year: u64| year / 4 - year / 100 + year / 400;
    (year - 1970) * 365 + leaps(year - 1) - leaps(1969)
}

fn days_of(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    let months: u64 = (1..month).map(|month| days_in(year, month)).sum();
    Some(days_before(year) + months + day - 1)
}

fn date_of(days: u64) -> (u64, u64, u64) {
    // At most one too many: years are a little longer than 365 days.
    let mut year = 1970 + days / 365;
    while days_before(year) > days {
        year -= 1;
    }
    let mut rest = days - days_before(year);
    let mut month = 1;
    while rest >= days_in(year, month) {
        rest -= days_in(year, month);
        month += 1;
    }
    (year, month, rest + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn well_known_moments() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00+00:00", 0),
            ("2000-02-29T12:00:00+00:00", 951_825_600),
            ("2022-01-01T00:00:00+00:00", 1_640_995_200),
            ("2100-02-28T23:59:59+00:00", 4_107_542_399),
            ("2100-03-01T00:00:00+00:00", 4_107_542_400),
            ("9999-12-31T23:59:59+00:00", LAST_SECOND),
        ] {
            assert_eq!(parse(text), Some(seconds * 1000), "{text}");
            assert_eq!(format(seconds * 1000), text);
        }
        assert_eq!(parse("2022-01-01T00:00:00Z"), Some(1_640_995_200_000));
        assert_eq!(format(u64::MAX), "9999-12-31T23:59:59+00:00");
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "2022-01-01",
            "2022-01-01T00:00:00",
            "2022-01-01T00:00:00+01:00",
            "2022-02-29T00:00:00Z",
            "2022-13-01T00:00:00Z",
            "2022-00-01T00:00:00Z",
            "2022-01-00T00:00:00Z",
            "2022-01-01T24:00:00Z",
            "2022-01-01T00:60:00Z",
            "2022-01-01 00:00:00Z",
            "+022-01-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "2022-01-01T00:00:0\u{e9}Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_second_survives_the_way_through_text(seconds in 0..=LAST_SECOND) {
            prop_assert_eq!(parse(&format(seconds * 1000)), Some(seconds * 1000));
        }

        #[test]
        fn later_is_greater(a in 0..=LAST_SECOND, b in 0..=LAST_SECOND) {
            prop_assert_eq!(format(a * 1000).cmp(&format(b * 1000)), a.cmp(&b));
        }
    }
}
