//! Where tensors live: the one place that names burn's backends.

use burn::tensor::Device;
use std::fmt;
use std::str::FromStr;

/// A device compiled into this binary.
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
}

/// The name is unknown, or its backend is not part of this binary.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DeviceError {
    /// A backend that exists but was not compiled in.
    #[error("device `{0}` is not compiled into this binary")]
    NotCompiledIn(String),
    /// No such device.
    #[error("no device is called `{0}`; this binary knows `cpu`, `flex` and `ndarray`")]
    Unknown(String),
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
        }
    }
}

impl FromStr for DeviceName {
    type Err = DeviceError;

    fn from_str(name: &str) -> Result<DeviceName, DeviceError> {
        match name {
            "cpu" | "flex" => Ok(DeviceName::Flex),
            "ndarray" => Ok(DeviceName::Ndarray),
            "wgpu" | "vulkan" | "metal" | "cuda" => {
                Err(DeviceError::NotCompiledIn(name.to_owned()))
            }
            _ => Err(DeviceError::Unknown(name.to_owned())),
        }
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            DeviceName::Flex => "flex",
            DeviceName::Ndarray => "ndarray",
        })
    }
}
