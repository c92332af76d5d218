//! Numbers and keys that JavaScript passes, refused where a conversion would change or drop them.

use exit_rl_engine::error::{EngineError, Result};
use napi::bindgen_prelude::*;

/// Larger whole numbers are not exact in JavaScript.
const MOST_EXACT: f64 = 9_007_199_254_740_991.0;

/// A whole number that `T` holds, at most 2^53 − 1: a cast would round it, cut it or wrap it around.
///
/// @error `INVALID_REQUEST` names the key.
pub fn whole<T: TryFrom<u64>>(key: &str, value: f64) -> Result<T> {
    let is_exact = value.fract() == 0.0 && (0.0..=MOST_EXACT).contains(&value);
    let converted = if is_exact { T::try_from(value as u64).ok() } else { None };
    converted.ok_or_else(|| {
        let bits = (8 * size_of::<T>()).min(53);
        EngineError::invalid(key, format!("{value} is not a whole number in [0, 2^{bits})"))
    })
}

/// Like `whole`, for a number that may not be 0.
pub fn positive<T: TryFrom<u64> + From<u8> + PartialEq>(key: &str, value: f64) -> Result<T> {
    match whole::<T>(key, value)? {
        number if number == T::from(0u8) => Err(EngineError::invalid(key, "it must be above 0")),
        number => Ok(number),
    }
}

/// Token ids, each a whole number.
pub fn ids(key: &str, values: &[f64]) -> Result<Vec<u32>> {
    values.iter().enumerate().map(|(at, &value)| whole(&format!("{key}[{at}]"), value)).collect()
}

pub fn finite(key: &str, value: f64) -> Result<f64> {
    if value.is_finite() {
        return Ok(value);
    }
    Err(EngineError::invalid(key, format!("{value} is not a finite number")))
}

/// An object whose every key is read: a misspelt one would leave its option at the default.
pub struct Known<T>(pub T);

pub trait Keys {
    const KEYS: &'static [&'static str];
}

impl<T: TypeName> TypeName for Known<T> {
    fn type_name() -> &'static str {
        T::type_name()
    }

    fn value_type() -> ValueType {
        T::value_type()
    }
}

impl<T: FromNapiValue + TypeName> ValidateNapiValue for Known<T> {}

impl<T: FromNapiValue + Keys> FromNapiValue for Known<T> {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> napi::Result<Self> {
        let object = unsafe { Object::from_napi_value(env, value)? };
        match Object::keys(&object)?.into_iter().find(|key| !T::KEYS.contains(&key.as_str())) {
            Some(key) => {
                let reason = format!("unknown key; known are {}", T::KEYS.join(", "));
                Err(crate::errors::to_napi(EngineError::invalid(&key, reason)))
            }
            None => Ok(Self(unsafe { T::from_napi_value(env, value)? })),
        }
    }
}
