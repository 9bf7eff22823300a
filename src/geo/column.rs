//! A column of plain numbers that is either owned or lies in bytes shared with others, such as a mapped file.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytemuck::{AnyBitPattern, NoUninit};

/// Bytes that stay where they are and do not change as long as they are held: a `Vec<u8>`, a mapped file.
pub type SharedBytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// A read-only column of numbers.
#[derive(Clone)]
pub(super) enum Column<T> {
    /// On the heap.
    Owned(Vec<T>),
    /// In place inside shared bytes, at a range that was checked to be aligned and whole.
    Shared(SharedBytes, Range<usize>),
}

impl<T: AnyBitPattern + NoUninit> Column<T> {
    /// The column at a byte range of `bytes`: in place where it is aligned, otherwise copied. `None` when the range lies
    /// outside or holds no whole number of items.
    pub(super) fn at(bytes: &SharedBytes, range: Range<usize>) -> Option<Self> {
        let slice = (**bytes).as_ref().get(range.clone())?;
        if slice.len() % size_of::<T>() != 0 {
            return None;
        }
        Some(match bytemuck::try_cast_slice::<u8, T>(slice) {
            Ok(_) => Self::Shared(Arc::clone(bytes), range),
            Err(_) => Self::Owned(slice.chunks_exact(size_of::<T>()).map(bytemuck::pod_read_unaligned).collect()),
        })
    }

    /// The numbers.
    #[inline]
    pub(super) fn as_slice(&self) -> &[T] {
        match self {
            Self::Owned(items) => items,
            // The cast was tried when the column was made; were the bytes to move, the column would be empty.
            Self::Shared(bytes, range) => (**bytes)
                .as_ref()
                .get(range.clone())
                .and_then(|slice| bytemuck::try_cast_slice(slice).ok())
                .unwrap_or_default(),
        }
    }

    /// Bytes on the heap; 0 for a shared column.
    pub(super) fn memory(&self) -> usize {
        match self {
            Self::Owned(items) => items.capacity() * size_of::<T>(),
            Self::Shared(..) => 0,
        }
    }

    /// Bytes in what is shared; 0 for a column on the heap.
    pub(super) fn shared(&self) -> usize {
        match self {
            Self::Owned(_) => 0,
            Self::Shared(_, range) => range.len(),
        }
    }
}

impl<T> fmt::Debug for Column<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owned(items) => write!(f, "Owned({} items)", items.len()),
            Self::Shared(_, range) => write!(f, "Shared({range:?})"),
        }
    }
}
