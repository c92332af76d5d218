//! The vector instruction sets, one of them chosen at run time.

/// The vector operations of an instruction set. Kernels compute two vectors of outputs at a time, so that one load of the
/// input feeds two multiply-adds.
pub trait Isa {
    type Vector: Copy;
    const LANES: usize;
    /// Rows computed together: as many accumulators as the registers hold.
    const ROWS: usize;

    /// # Safety
    /// The processor must have the instruction set, and `pointer` must be readable for `LANES` floats.
    unsafe fn load(pointer: *const f32) -> Self::Vector;
    /// # Safety
    /// As `load`, for writing.
    unsafe fn store(pointer: *mut f32, value: Self::Vector);
    /// # Safety
    /// The processor must have the instruction set.
    unsafe fn splat(value: f32) -> Self::Vector;
    /// a · b + c, rounded once.
    /// # Safety
    /// The processor must have the instruction set.
    unsafe fn fma(a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    /// The sum of the lanes.
    /// # Safety
    /// The processor must have the instruction set.
    unsafe fn reduce(value: Self::Vector) -> f32;
}

/// Plain arrays: correct on every processor, fast where the compiler vectorises.
pub struct Portable;

impl Isa for Portable {
    type Vector = [f32; 8];
    const LANES: usize = 8;
    const ROWS: usize = 4;

    #[inline(always)]
    unsafe fn load(pointer: *const f32) -> [f32; 8] {
        std::ptr::read_unaligned(pointer.cast())
    }
    #[inline(always)]
    unsafe fn store(pointer: *mut f32, value: [f32; 8]) {
        std::ptr::write_unaligned(pointer.cast(), value);
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> [f32; 8] {
        [value; 8]
    }
    #[inline(always)]
    unsafe fn fma(a: [f32; 8], b: [f32; 8], c: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|lane| a[lane].mul_add(b[lane], c[lane]))
    }
    #[inline(always)]
    unsafe fn reduce(value: [f32; 8]) -> f32 {
        value.iter().sum()
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Isa;
    use std::arch::x86_64::*;

    pub struct Avx2;
    pub struct Avx512;

    impl Isa for Avx2 {
        type Vector = __m256;
        const LANES: usize = 8;
        const ROWS: usize = 6;

        #[inline(always)]
        unsafe fn load(pointer: *const f32) -> __m256 {
            _mm256_loadu_ps(pointer)
        }
        #[inline(always)]
        unsafe fn store(pointer: *mut f32, value: __m256) {
            _mm256_storeu_ps(pointer, value);
        }
        #[inline(always)]
        unsafe fn splat(value: f32) -> __m256 {
            _mm256_set1_ps(value)
        }
        #[inline(always)]
        unsafe fn fma(a: __m256, b: __m256, c: __m256) -> __m256 {
            _mm256_fmadd_ps(a, b, c)
        }
        #[inline(always)]
        unsafe fn reduce(value: __m256) -> f32 {
            let mut lanes = [0f32; 8];
            _mm256_storeu_ps(lanes.as_mut_ptr(), value);
            lanes.iter().sum()
        }
    }

    impl Isa for Avx512 {
        type Vector = __m512;
        const LANES: usize = 16;
        const ROWS: usize = 8;

        #[inline(always)]
        unsafe fn load(pointer: *const f32) -> __m512 {
            _mm512_loadu_ps(pointer)
        }
        #[inline(always)]
        unsafe fn store(pointer: *mut f32, value: __m512) {
            _mm512_storeu_ps(pointer, value);
        }
        #[inline(always)]
        unsafe fn splat(value: f32) -> __m512 {
            _mm512_set1_ps(value)
        }
        #[inline(always)]
        unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
            _mm512_fmadd_ps(a, b, c)
        }
        #[inline(always)]
        unsafe fn reduce(value: __m512) -> f32 {
            _mm512_reduce_add_ps(value)
        }
    }
}
#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2, Avx512};

/// An instruction set as a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instructions {
    Portable,
    Avx2,
    Avx512,
}

impl Instructions {
    /// The widest instruction set of this processor.
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if avx512_detected() {
                return Self::Avx512;
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return Self::Avx2;
            }
        }
        Self::Portable
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// Width of a panel of packed weights in floats: two vectors.
    pub fn panel_width(self) -> usize {
        match self {
            Self::Portable => 2 * Portable::LANES,
            Self::Avx2 => 16,
            Self::Avx512 => 32,
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn avx512_detected() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
}

/// Calls a function compiled for `$instructions`; `name<I>` receives their type as its parameter.
///
/// The function must be `inline(always)`: it then becomes part of a function that enables the instructions, so that its
/// plain loops are vectorised for them too.
#[macro_export]
macro_rules! with_instructions {
    ($instructions:expr, fn $name:ident<I>($($argument:ident: $type:ty),*) $(-> $result:ty)?) => {
        $crate::with_instructions!(@call $instructions, ($($argument: $type),*) ($($result)?)
            ($name::<$crate::simd::isa::Avx512>) ($name::<$crate::simd::isa::Avx2>) ($name::<$crate::simd::isa::Portable>))
    };
    ($instructions:expr, fn $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?) => {
        $crate::with_instructions!(@call $instructions, ($($argument: $type),*) ($($result)?) ($name) ($name) ($name))
    };
    (@call $instructions:expr, ($($argument:ident: $type:ty),*) ($($result:ty)?) ($avx512:expr) ($avx2:expr) ($portable:expr)) => {{
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
        unsafe fn avx512($($argument: $type),*) $(-> $result)? {
            $avx512($($argument),*)
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        unsafe fn avx2($($argument: $type),*) $(-> $result)? {
            $avx2($($argument),*)
        }
        match $instructions {
            #[cfg(target_arch = "x86_64")]
            $crate::simd::isa::Instructions::Avx512 => unsafe { avx512($($argument),*) },
            #[cfg(target_arch = "x86_64")]
            $crate::simd::isa::Instructions::Avx2 => unsafe { avx2($($argument),*) },
            _ => $portable($($argument),*),
        }
    }};
}
