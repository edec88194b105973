//! `--device`: where tensors live.

use super::exit::{Code, Failure};
use super::printer;
use crate::agent::device::DeviceName;

/// The device called `name`. A GPU is named on stderr: the figures that follow mean nothing without it.
///
/// # Errors
/// Exit 3 when there is no such device, in this binary or on this machine.
pub(super) fn device(name: &str) -> Result<DeviceName, Failure> {
    let device: DeviceName = name.parse().map_err(|error: crate::agent::device::DeviceError| {
        let hint = error.hint();
        Failure::new(Code::Config, error).hint(hint)
    })?;
    if let Some(hardware) = device.hardware() {
        printer::say(&format!("device: {hardware}"));
    }
    Ok(device)
}
