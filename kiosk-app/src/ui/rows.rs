// SPDX-License-Identifier: GPL-3.0-only
//! Models that are changed row by row, so that only what differs is painted again.

use slint::{Model as _, VecModel};

/// Makes `model` hold `rows`, touching no row that is equal already.
pub(super) fn sync<T: Clone + PartialEq + 'static>(model: &VecModel<T>, rows: impl IntoIterator<Item = T>) {
    let mut at = 0;
    for row in rows {
        match model.row_data(at) {
            Some(shown) if shown == row => {}
            Some(_) => model.set_row_data(at, row),
            None => model.push(row),
        }
        at += 1;
    }
    while model.row_count() > at {
        model.remove(model.row_count() - 1);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_model_grows_shrinks_and_changes_in_place() {
        let model = VecModel::from(vec![1, 2, 3]);
        sync(&model, [1, 5]);
        assert_eq!(model.iter().collect::<Vec<_>>(), [1, 5]);
        sync(&model, [1, 5, 7, 9]);
        assert_eq!(model.iter().collect::<Vec<_>>(), [1, 5, 7, 9]);
        sync(&model, []);
        assert_eq!(model.row_count(), 0);
    }
}
