//! The device, precision, backend and threads of the engine; and the facts that libtorch reports.

use crate::error::{EngineError, Result};
use crate::guard::THREAD_NAME;
use crate::simd::isa::Instructions;
use std::ffi::CString;
use std::sync::Arc;
use tch::{Cuda, Device, Kind};

/// A thread pool; None computes on the calling thread.
pub type Pool = Option<Arc<rayon::ThreadPool>>;

#[derive(Debug, Clone, PartialEq)]
pub struct EngineInfo {
    pub cuda_available: bool,
    pub cuda_devices: usize,
    pub instructions: &'static str,
    pub threads: usize,
}

pub fn info() -> EngineInfo {
    EngineInfo {
        cuda_available: Cuda::is_available(),
        cuda_devices: Cuda::device_count().max(0) as usize,
        instructions: Instructions::detect().name(),
        threads: default_threads(),
    }
}

/// One thread per core that this process may use.
pub fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dtype {
    Fp32,
    Bf16,
}

impl Dtype {
    pub fn kind(self) -> Kind {
        match self {
            Self::Fp32 => Kind::Float,
            Self::Bf16 => Kind::BFloat16,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendChoice {
    /// Kernels for small models in fp32 on the CPU, libtorch otherwise.
    Auto,
    Kernels,
    Torch,
}

/// Starts a pool. None for a single thread: the engine thread then does all work.
pub fn start_pool(threads: usize) -> Result<Pool> {
    if threads <= 1 {
        return Ok(None);
    }
    let name = |index| format!("{THREAD_NAME}-{index}");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(name).build();
    pool.map(|pool| Some(Arc::new(pool))).map_err(EngineError::torch)
}

/// Parses `auto`, `cpu`, `cuda` or `cuda:N`.
///
/// @error `DEVICE` when this machine does not have the device.
pub fn parse(device: &str) -> Result<Device> {
    let refuse = |reason: String| Err(EngineError::Device { device: device.into(), reason });
    let index = match device {
        "cpu" => return Ok(Device::Cpu),
        "auto" if !Cuda::is_available() => return Ok(Device::Cpu),
        "auto" | "cuda" => 0,
        other => match other.strip_prefix("cuda:").and_then(|index| index.parse().ok()) {
            Some(index) => index,
            None => return refuse("devices are `auto`, `cpu`, `cuda` and `cuda:N`".into()),
        },
    };
    if !Cuda::is_available() {
        return refuse("no CUDA device was found; `exit-rl doctor` says why".into());
    }
    if index >= Cuda::device_count() as usize {
        return refuse(format!("there are {} CUDA devices", Cuda::device_count()));
    }
    Ok(Device::Cuda(index))
}

/// Refuses a size that exceeds the memory of this machine. A system that overcommits memory would otherwise kill the
/// process.
///
/// @error `OUT_OF_MEMORY`.
pub fn refuse_beyond_memory(bytes: u64) -> Result<()> {
    match host_memory() {
        Some(memory) if bytes > memory => Err(EngineError::OutOfMemory {
            message: format!("the weights need {bytes} bytes and this machine has {memory}"),
        }),
        _ => Ok(()),
    }
}

/// Bytes of memory and swap of this machine, or the limit of the process's control group when it is lower.
pub fn host_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let field = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
    };
    let machine = field("MemTotal:")? + field("SwapTotal:").unwrap_or(0);
    let limit = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    Some(limit.map_or(machine, |limit: u64| limit.min(machine)))
}

pub fn name(device: Device) -> String {
    match device {
        Device::Cuda(index) => format!("cuda:{index}"),
        _ => "cpu".into(),
    }
}

extern "C" {
    fn dlopen(file: *const std::ffi::c_char, flags: i32) -> *mut std::ffi::c_void;
    fn dlerror() -> *const std::ffi::c_char;
}
const RTLD_NOW: i32 = 2;
const RTLD_GLOBAL: i32 = 0x100;

/// Maps libtorch_cuda, whose initialisers register the CUDA backend. It must belong to the loaded build, and be mapped
/// before libtorch is first asked about CUDA.
pub fn load_cuda(library: &str) -> Result<()> {
    let refuse = |reason: String| Err(EngineError::Device { device: "cuda".into(), reason });
    let Ok(path) = CString::new(library) else { return refuse(format!("`{library}` is not a path")) };
    let handle = unsafe { dlopen(path.as_ptr(), RTLD_NOW | RTLD_GLOBAL) };
    if !handle.is_null() {
        return Ok(());
    }
    let message = unsafe { dlerror() };
    let reason = if message.is_null() {
        format!("`{library}` could not be loaded")
    } else {
        unsafe { std::ffi::CStr::from_ptr(message) }.to_string_lossy().into_owned()
    };
    refuse(reason)
}
