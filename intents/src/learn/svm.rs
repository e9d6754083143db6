//! A linear support vector machine with squared hinge loss, trained by dual coordinate descent.

use super::features::Row;

/// What an error costs against long weights.
const COST: f32 = 1.0;
/// Times the lines are gone through at most.
const ROUNDS: usize = 60;
/// It has learned when no line moved more than this in a round.
const STILL: f32 = 0.02;

/// The weights of one label.
#[derive(Debug, Clone)]
pub(super) struct Machine {
    sparse: Vec<f32>,
    dense: Vec<f32>,
}

impl Machine {
    /// Learns which rows `is` is true for.
    pub fn train(rows: &[Row], is: &[bool], columns: usize) -> Self {
        let width = rows.first().map_or(0, |row| row.dense.len());
        let mut machine = Self { sparse: vec![0.0; columns], dense: vec![0.0; width] };
        let loose = 0.5 / COST;
        let steep: Vec<f32> = rows.iter().map(|row| row.square() + loose).collect();
        let mut pull = vec![0.0f32; rows.len()];
        let mut order: Vec<usize> = (0..rows.len()).collect();
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        for _ in 0..ROUNDS {
            // The order must vary, not be secret.
            for at in (1..order.len()).rev() {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                order.swap(at, usize::try_from(seed % (at as u64 + 1)).unwrap_or_default());
            }
            let mut moved: f32 = 0.0;
            for at in &order {
                let (row, sign) = (&rows[*at], if is[*at] { 1.0 } else { -1.0 });
                let slope = sign * machine.score(row) - 1.0 + pull[*at] * loose;
                let slope = if pull[*at] == 0.0 { slope.min(0.0) } else { slope };
                if slope.abs() < 1e-6 {
                    continue;
                }
                let before = pull[*at];
                pull[*at] = (before - slope / steep[*at]).max(0.0);
                machine.add(row, (pull[*at] - before) * sign);
                moved = moved.max(slope.abs());
            }
            if moved < STILL {
                break;
            }
        }
        machine
    }

    /// Above 0 if the label fits; 1 and more if it surely does.
    pub fn score(&self, row: &Row) -> f32 {
        let sparse: f32 = row.sparse.iter().filter_map(|(at, x)| Some(self.sparse.get(*at as usize)? * x)).sum();
        sparse + dot(&self.dense, &row.dense)
    }

    fn add(&mut self, row: &Row, step: f32) {
        for (at, x) in &row.sparse {
            if let Some(weight) = self.sparse.get_mut(*at as usize) {
                *weight += step * x;
            }
        }
        for (weight, x) in self.dense.iter_mut().zip(&row.dense) {
            *weight += step * x;
        }
    }
}

/// A sum in eight strands, which the processor adds side by side.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a8, a1) = a.as_chunks::<8>();
    let (b8, b1) = b.as_chunks::<8>();
    let mut sums = [0.0f32; 8];
    for (a, b) in a8.iter().zip(b8) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + a1.iter().zip(b1).map(|(a, b)| a * b).sum::<f32>()
}
