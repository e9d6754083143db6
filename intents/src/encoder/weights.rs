//! The weight file: its form, and what is held of it in memory.
//!
//! ```text
//! 16 bytes   magic
//!  8 bytes   length of the word-piece model, little-endian
//!            table: 128,010 rows of 384 bytes, 512 numbers of 6 bits each, lowest bits first
//!            word-piece model, as in the package
//!            tensors of `TENSORS` in their order, 32-bit floats, little-endian, row by row
//! ```

use super::EncoderError;
use super::forward::Matrix;

/// First bytes of a weight file.
pub(super) const MAGIC: &[u8; 16] = b"zhishou-enc-v1\r\n";
/// Blocks of the table; a piece's row lies in the block of its number modulo this.
pub(super) const BLOCKS: usize = 17;
/// Rows of a block.
pub(super) const BLOCK_ROWS: usize = 7530;
/// Word pieces.
pub(super) const PIECES: usize = BLOCKS * BLOCK_ROWS;
/// Numbers in a row of the table.
pub(super) const WIDTH: usize = 512;
/// Bytes of a row: four numbers in three bytes.
pub(super) const ROW: usize = WIDTH / 4 * 3;
/// Width of a branch.
pub(super) const BRANCH: usize = 256;
/// Numbers of the features of a piece: its own and those of the branches.
pub(super) const FEATURES: usize = WIDTH + 3 * BRANCH;

/// Every tensor with its name in the package, rows and columns.
pub(super) const TENSORS: [(&str, usize, usize); 38] = [
    ("scale", 1, BLOCKS),
    ("lo", 1, BLOCKS),
    ("proj2", WIDTH, BRANCH),
    ("proj3", WIDTH, BRANCH),
    ("proj5", WIDTH, BRANCH),
    ("proj_b2", 1, BRANCH),
    ("proj_b3", 1, BRANCH),
    ("proj_b5", 1, BRANCH),
    ("ln_g2", 1, BRANCH),
    ("ln_g3", 1, BRANCH),
    ("ln_g5", 1, BRANCH),
    ("ln_b2", 1, BRANCH),
    ("ln_b3", 1, BRANCH),
    ("ln_b5", 1, BRANCH),
    ("w1_2", 2 * BRANCH, BRANCH),
    ("w1_3", 3 * BRANCH, BRANCH),
    ("w1_5", 5 * BRANCH, BRANCH),
    ("b1_2", 1, BRANCH),
    ("b1_3", 1, BRANCH),
    ("b1_5", 1, BRANCH),
    ("w2_2", 2 * BRANCH, BRANCH),
    ("w2_3", 3 * BRANCH, BRANCH),
    ("w2_5", 5 * BRANCH, BRANCH),
    ("b2_2", 1, BRANCH),
    ("b2_3", 1, BRANCH),
    ("b2_5", 1, BRANCH),
    ("ln_g", 1, FEATURES),
    ("ln_b", 1, FEATURES),
    ("cnn_W", FEATURES, WIDTH),
    ("cnn_b", 1, WIDTH),
    ("d0", WIDTH, 320),
    ("d1", 320, 320),
    ("p1", WIDTH, 320),
    ("d2", 320, WIDTH),
    ("p3", 320, WIDTH),
    ("d3", WIDTH, WIDTH),
    // Not read: kept so that a later form may tell other values.
    ("bits", 1, 1),
    ("eps", 1, 1),
];

/// Two layers of a convolution over neighbouring pieces.
pub(super) struct Branch {
    /// Pieces it looks at.
    pub order: usize,
    /// How many of them stand before the piece itself.
    pub left: usize,
    pub first: Matrix,
    pub first_bias: Vec<f32>,
    pub second: Matrix,
    pub second_bias: Vec<f32>,
}

/// All weights.
pub(super) struct Weights {
    /// The bytes of the file up to the end of the table.
    bytes: Vec<u8>,
    scale: Vec<f32>,
    lowest: Vec<f32>,
    pub project: Matrix,
    pub project_bias: Vec<f32>,
    pub inner_gain: Vec<f32>,
    pub inner_bias: Vec<f32>,
    pub branches: [Branch; 3],
    pub gain: Vec<f32>,
    pub bias: Vec<f32>,
    pub mean: Matrix,
    pub mean_bias: Vec<f32>,
    pub d0: Matrix,
    pub d1: Matrix,
    pub p1: Matrix,
    pub d2: Matrix,
    pub p3: Matrix,
    pub d3: Matrix,
    /// Kept from dividing by zero.
    pub least: f32,
}

const HEAD: usize = MAGIC.len() + 8;
const TABLE: usize = PIECES * ROW;

impl Weights {
    /// Reads a file; the word-piece model is handed back apart.
    pub fn open(mut bytes: Vec<u8>) -> Result<(Self, Vec<u8>), EncoderError> {
        if bytes.get(..MAGIC.len()) != Some(MAGIC.as_slice()) {
            return Err(EncoderError::Foreign(
                "it begins otherwise; bring it in by `zhishou model install`".to_owned(),
            ));
        }
        let length = bytes
            .get(MAGIC.len()..HEAD)
            .and_then(|eight| eight.try_into().ok())
            .map(u64::from_le_bytes)
            .and_then(|length| usize::try_from(length).ok());
        let floats: usize = TENSORS.iter().map(|(_, rows, columns)| rows * columns).sum();
        let whole = length.and_then(|length| (HEAD + TABLE + floats * 4).checked_add(length));
        let (Some(length), Some(whole)) = (length, whole) else {
            return Err(EncoderError::Damaged("its head cannot be read".to_owned()));
        };
        if whole != bytes.len() {
            return Err(EncoderError::Damaged(format!("{} bytes instead of {whole}", bytes.len())));
        }
        let model = bytes[HEAD + TABLE..HEAD + TABLE + length].to_vec();
        let mut tensors = Tensors { rest: &bytes[HEAD + TABLE + length..] };
        let [scale, lowest] = [tensors.vector(BLOCKS)?, tensors.vector(BLOCKS)?];
        let project = tensors.beside(WIDTH, BRANCH)?;
        let project_bias = tensors.vector(3 * BRANCH)?;
        let inner_gain = tensors.vector(3 * BRANCH)?;
        let inner_bias = tensors.vector(3 * BRANCH)?;
        let [a1, b1, c1] = tensors.convolutions()?;
        let [a1b, b1b, c1b] = tensors.biases()?;
        let [a2, b2, c2] = tensors.convolutions()?;
        let [a2b, b2b, c2b] = tensors.biases()?;
        let branch = |order, left, first, first_bias, second, second_bias| Branch {
            order,
            left,
            first,
            first_bias,
            second,
            second_bias,
        };
        let branches = [branch(2, 0, a1, a1b, a2, a2b), branch(3, 1, b1, b1b, b2, b2b), branch(5, 2, c1, c1b, c2, c2b)];
        let mut weights = Weights {
            bytes: Vec::new(),
            scale,
            lowest,
            project,
            project_bias,
            inner_gain,
            inner_bias,
            branches,
            gain: tensors.vector(FEATURES)?,
            bias: tensors.vector(FEATURES)?,
            mean: tensors.matrix(FEATURES, WIDTH)?,
            mean_bias: tensors.vector(WIDTH)?,
            d0: tensors.matrix(WIDTH, 320)?,
            d1: tensors.matrix(320, 320)?,
            p1: tensors.matrix(WIDTH, 320)?,
            d2: tensors.matrix(320, WIDTH)?,
            p3: tensors.matrix(320, WIDTH)?,
            d3: tensors.matrix(WIDTH, WIDTH)?,
            least: {
                let _bits = tensors.vector(1)?;
                tensors.vector(1)?.first().copied().unwrap_or_default().max(1e-12)
            },
        };
        // What was copied out is not kept twice.
        bytes.truncate(HEAD + TABLE);
        bytes.shrink_to_fit();
        weights.bytes = bytes;
        Ok((weights, model))
    }

    /// Writes the numbers of a piece to `out`, which is [`WIDTH`] long. A number out of range reads piece 0.
    pub fn row(&self, piece: u32, out: &mut [f32]) {
        let piece = usize::try_from(piece).ok().filter(|piece| *piece < PIECES).unwrap_or_default();
        let (scale, lowest) = (self.scale[piece % BLOCKS], self.lowest[piece % BLOCKS]);
        let start = HEAD + piece * ROW;
        for (three, four) in self.bytes[start..start + ROW].as_chunks::<3>().0.iter().zip(out.as_chunks_mut::<4>().0) {
            let bits = u32::from(three[0]) | u32::from(three[1]) << 8 | u32::from(three[2]) << 16;
            for (at, number) in four.iter_mut().enumerate() {
                *number = (bits >> (6 * at) & 63) as f32 * scale + lowest;
            }
        }
    }
}

/// Tensors in the order of the file.
struct Tensors<'a> {
    rest: &'a [u8],
}

impl Tensors<'_> {
    fn vector(&mut self, length: usize) -> Result<Vec<f32>, EncoderError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length * 4)
            .ok_or_else(|| EncoderError::Damaged("it ends too early".to_owned()))?;
        self.rest = rest;
        let numbers: Vec<f32> = taken.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
        // One of them would make every vector meaningless.
        if numbers.iter().all(|number| number.is_finite() && number.abs() < 1e6) {
            Ok(numbers)
        } else {
            Err(EncoderError::Damaged("a weight is no usable number".to_owned()))
        }
    }

    fn matrix(&mut self, rows: usize, columns: usize) -> Result<Matrix, EncoderError> {
        Ok(Matrix::new(rows, columns, &self.vector(rows * columns)?))
    }

    /// Three matrices side by side as one.
    fn beside(&mut self, rows: usize, columns: usize) -> Result<Matrix, EncoderError> {
        let three = [self.vector(rows * columns)?, self.vector(rows * columns)?, self.vector(rows * columns)?];
        let joined: Vec<f32> = (0..rows)
            .flat_map(|row| three.iter().flat_map(move |one| &one[row * columns..][..columns]))
            .copied()
            .collect();
        Ok(Matrix::new(rows, 3 * columns, &joined))
    }

    fn convolutions(&mut self) -> Result<[Matrix; 3], EncoderError> {
        Ok([self.matrix(2 * BRANCH, BRANCH)?, self.matrix(3 * BRANCH, BRANCH)?, self.matrix(5 * BRANCH, BRANCH)?])
    }

    fn biases(&mut self) -> Result<[Vec<f32>; 3], EncoderError> {
        Ok([self.vector(BRANCH)?, self.vector(BRANCH)?, self.vector(BRANCH)?])
    }
}
