//! The forward pass, in 32-bit floats.

use super::weights::{BRANCH, FEATURES, WIDTH, Weights};

/// Columns that are worked on together: two vector registers of every processor that runs this.
const PANEL: usize = 8;
/// Rows that are worked on together; with the panel they fill the registers.
const BLOCK: usize = 4;

/// A matrix in panels of eight columns, each panel row by row.
pub(super) struct Matrix {
    rows: usize,
    panels: Vec<f32>,
}

impl Matrix {
    /// From numbers row by row; `columns` is a multiple of eight.
    pub fn new(rows: usize, columns: usize, numbers: &[f32]) -> Self {
        let mut panels = Vec::with_capacity(rows * columns);
        for panel in 0..columns / PANEL {
            for row in 0..rows {
                panels.extend_from_slice(&numbers[row * columns + panel * PANEL..][..PANEL]);
            }
        }
        Self { rows, panels }
    }

    /// Adds `count` rows times this matrix to `out`. Row `r` begins at `r * step` of `input` (and may overlap the next),
    /// its result at `r * width` of `out`.
    fn times(&self, input: &[f32], step: usize, count: usize, out: &mut [f32], width: usize) {
        for (at, panel) in self.panels.chunks_exact(self.rows * PANEL).enumerate() {
            let mut row = 0;
            while row + BLOCK <= count {
                let rows: [&[f32]; BLOCK] = std::array::from_fn(|r| &input[(row + r) * step..][..self.rows]);
                for (r, sum) in block(panel, rows).iter().enumerate() {
                    add(&mut out[(row + r) * width + at * PANEL..][..PANEL], sum);
                }
                row += BLOCK;
            }
            while row < count {
                let [sum] = block(panel, [&input[row * step..][..self.rows]]);
                add(&mut out[row * width + at * PANEL..][..PANEL], &sum);
                row += 1;
            }
        }
    }
}

/// Some rows times one panel.
fn block<const N: usize>(panel: &[f32], rows: [&[f32]; N]) -> [[f32; PANEL]; N] {
    let panel = panel.as_chunks::<PANEL>().0;
    // Tells the compiler that no index below can be out of range.
    let rows = rows.map(|row| &row[..panel.len()]);
    let mut sums = [[0.0f32; PANEL]; N];
    for (at, weights) in panel.iter().enumerate() {
        for r in 0..N {
            let number = rows[r][at];
            for c in 0..PANEL {
                sums[r][c] += number * weights[c];
            }
        }
    }
    sums
}

fn add(out: &mut [f32], sum: &[f32]) {
    for (out, sum) in out.iter_mut().zip(sum) {
        *out += sum;
    }
}

/// Room that is used again from text to text.
#[derive(Default)]
pub(super) struct Scratch {
    features: Vec<f32>,
    projected: Vec<f32>,
    padded: Vec<f32>,
    layer: Vec<f32>,
}

/// The direction of a text's pieces, of length 1.
pub(super) fn forward(weights: &Weights, pieces: &[u32], scratch: &mut Scratch) -> Box<[f32]> {
    let count = pieces.len();
    let Scratch { features, projected, padded, layer } = scratch;
    features.clear();
    features.resize(count * FEATURES, 0.0);
    for (piece, row) in pieces.iter().zip(features.chunks_exact_mut(FEATURES)) {
        weights.row(*piece, &mut row[..WIDTH]);
    }
    fill(projected, &weights.project_bias, count);
    weights.project.times(features, FEATURES, count, projected, 3 * BRANCH);
    for row in projected.chunks_exact_mut(3 * BRANCH) {
        level(row, &weights.inner_gain, &weights.inner_bias, weights.least);
    }
    for (at, branch) in weights.branches.iter().enumerate() {
        // Rows of zeros on both sides, so that a window is one stretch of memory wherever it stands.
        padded.clear();
        padded.resize((count + branch.order - 1) * BRANCH, 0.0);
        let inside = branch.left * BRANCH..(branch.left + count) * BRANCH;
        for (row, from) in padded[inside.clone()].chunks_exact_mut(BRANCH).zip(projected.chunks_exact(3 * BRANCH)) {
            row.copy_from_slice(&from[at * BRANCH..][..BRANCH]);
        }
        for (matrix, bias) in [(&branch.first, &branch.first_bias), (&branch.second, &branch.second_bias)] {
            fill(layer, bias, count);
            matrix.times(padded, BRANCH, count, layer, BRANCH);
            for (number, sum) in padded[inside.clone()].iter_mut().zip(layer.iter()) {
                *number += sum.max(0.0);
            }
        }
        for (row, from) in features.chunks_exact_mut(FEATURES).zip(padded[inside].chunks_exact(BRANCH)) {
            row[WIDTH + at * BRANCH..][..BRANCH].copy_from_slice(from);
        }
    }
    let mut sum = vec![0.0f32; FEATURES];
    for row in features.chunks_exact_mut(FEATURES) {
        level(row, &weights.gain, &weights.bias, weights.least);
        add(&mut sum, row);
    }
    let length = count.max(1) as f32;
    let mut mean: Vec<f32> = weights.mean_bias.iter().map(|bias| bias * length).collect();
    weights.mean.times(&sum, FEATURES, 1, &mut mean, WIDTH);
    let shrink = 1.0 / length.sqrt();
    for number in &mut mean {
        *number *= shrink;
    }
    dense(weights, &mean)
}

/// The layers after the mean.
fn dense(weights: &Weights, mean: &[f32]) -> Box<[f32]> {
    let mut first = vec![0.0f32; 320];
    weights.d0.times(mean, WIDTH, 1, &mut first, 320);
    cut(&mut first);
    let mut second = vec![0.0f32; 320];
    weights.p1.times(mean, WIDTH, 1, &mut second, 320);
    weights.d1.times(&first, 320, 1, &mut second, 320);
    cut(&mut second);
    let mut third = vec![0.0f32; WIDTH];
    weights.d2.times(&second, 320, 1, &mut third, WIDTH);
    cut(&mut third);
    let mut last = vec![0.0f32; WIDTH];
    weights.p3.times(&second, 320, 1, &mut last, WIDTH);
    weights.d3.times(&third, WIDTH, 1, &mut last, WIDTH);
    for number in &mut last {
        *number = number.tanh();
    }
    let length = last.iter().map(|x| x * x).sum::<f32>().max(weights.least).sqrt();
    last.iter().map(|x| x / length).collect()
}

/// `count` copies of `row`.
fn fill(out: &mut Vec<f32>, row: &[f32], count: usize) {
    out.clear();
    for _ in 0..count {
        out.extend_from_slice(row);
    }
}

fn cut(numbers: &mut [f32]) {
    for number in numbers {
        *number = number.max(0.0);
    }
}

/// Mean 0 and variance 1, then gain and bias.
fn level(row: &mut [f32], gain: &[f32], bias: &[f32], least: f32) {
    let count = row.len() as f32;
    let mean = row.iter().sum::<f32>() / count;
    for number in row.iter_mut() {
        *number -= mean;
    }
    let variance = row.iter().map(|x| x * x).sum::<f32>() / count;
    let shrink = 1.0 / (variance + least).sqrt();
    for ((number, gain), bias) in row.iter_mut().zip(gain).zip(bias) {
        *number = *number * shrink * gain + bias;
    }
}
