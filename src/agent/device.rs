//! Where tensors live: the one place that names burn's backends.

#[cfg(feature = "wgpu")]
mod gpu;

use burn::tensor::Device;
#[cfg(feature = "wgpu")]
pub use gpu::Gpu;
use std::fmt;
use std::str::FromStr;

/// A device that this binary was compiled for and this machine has.
///
/// `Device::default()` is never asked: it prefers a GPU and reads the environment, and a run would
/// not be repeatable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceName {
    /// burn-flex on the CPU: 4 times as fast as ndarray at the batch sizes of PPO, hence the default.
    #[default]
    Flex,
    /// burn-ndarray on the CPU.
    Ndarray,
    /// burn-wgpu: a GPU through Vulkan (Metal on a Mac), or a driver that pretends to be one.
    #[cfg(feature = "wgpu")]
    Wgpu(Gpu),
}

/// A name that leads to no device.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DeviceError {
    /// A backend that exists but was not compiled in.
    #[error("device `{0}` is not compiled into this binary")]
    NotCompiledIn(String),
    /// The backend is there, the device is not.
    #[error("this machine has no device for `{name}`: {why}")]
    Absent {
        /// What was asked for.
        name: String,
        /// What the driver says.
        why: String,
    },
    /// No such device.
    #[error("no device is called `{0}`; there are `cpu` (or `flex`), `ndarray` and `wgpu`")]
    Unknown(String),
}

impl DeviceError {
    /// The next step for the person.
    pub fn hint(&self) -> &'static str {
        match self {
            DeviceError::NotCompiledIn(_) => {
                "use --device cpu, or build with a GPU backend: cargo build --release --features wgpu"
            }
            DeviceError::Absent { .. } => {
                "use --device cpu, or install a driver: Debian's mesa-vulkan-drivers has one that needs no GPU"
            }
            DeviceError::Unknown(_) => "use --device cpu",
        }
    }
}

impl DeviceName {
    /// burn's device.
    pub(super) fn device(self) -> Device {
        match self {
            DeviceName::Flex => Device::flex(),
            #[expect(
                deprecated,
                reason = "burn deprecates ndarray in favour of flex; it stays selectable"
            )]
            DeviceName::Ndarray => Device::ndarray(),
            #[cfg(feature = "wgpu")]
            DeviceName::Wgpu(gpu) => gpu.device(),
        }
    }

    /// True when what it computes does not run on the processor's thread that asks for it.
    pub fn is_apart(self) -> bool {
        !matches!(self, DeviceName::Flex | DeviceName::Ndarray)
    }

    /// What hardware it is, where that is not the processor.
    pub fn hardware(self) -> Option<&'static str> {
        match self {
            DeviceName::Flex | DeviceName::Ndarray => None,
            #[cfg(feature = "wgpu")]
            DeviceName::Wgpu(gpu) => Some(gpu.hardware()),
        }
    }
}

impl FromStr for DeviceName {
    type Err = DeviceError;

    /// `wgpu` is looked for on this machine, once.
    fn from_str(name: &str) -> Result<DeviceName, DeviceError> {
        match name {
            "cpu" | "flex" => Ok(DeviceName::Flex),
            "ndarray" => Ok(DeviceName::Ndarray),
            #[cfg(feature = "wgpu")]
            "wgpu" => Gpu::find().map(DeviceName::Wgpu),
            #[cfg(not(feature = "wgpu"))]
            "wgpu" => Err(DeviceError::NotCompiledIn(name.to_owned())),
            _ => Err(DeviceError::Unknown(name.to_owned())),
        }
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            DeviceName::Flex => "flex",
            DeviceName::Ndarray => "ndarray",
            #[cfg(feature = "wgpu")]
            DeviceName::Wgpu(_) => "wgpu",
        })
    }
}
