//! Texts as our kernels compute them: packed without padding.

/// Rows computed together: activations of this many rows stay in a core's cache.
pub(super) const UNIT_ROWS: usize = 256;

/// Consecutive texts of at most `UNIT_ROWS` tokens together; at least one text each.
pub fn units<'a, 'b>(texts: &'b [&'a [u32]]) -> Vec<&'b [&'a [u32]]> {
    let mut units = Vec::new();
    let (mut start, mut rows) = (0, 0);
    for (at, text) in texts.iter().enumerate() {
        if at > start && rows + text.len() > UNIT_ROWS {
            units.push(&texts[start..at]);
            (start, rows) = (at, 0);
        }
        rows += text.len();
    }
    if start < texts.len() {
        units.push(&texts[start..]);
    }
    units
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_hold_whole_texts_in_order() {
        let lengths = [300usize, 100, 100, 100, 1, 256, 255];
        let tokens: Vec<Vec<u32>> = lengths.iter().map(|&length| vec![0; length]).collect();
        let texts: Vec<&[u32]> = tokens.iter().map(Vec::as_slice).collect();
        let found: Vec<Vec<usize>> =
            units(&texts).iter().map(|unit| unit.iter().map(|text| text.len()).collect()).collect();
        assert_eq!(found, [vec![300], vec![100, 100], vec![100, 1], vec![256], vec![255]]);
    }
}
