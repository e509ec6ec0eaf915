// SPDX-License-Identifier: Apache-2.0

import Addresses
import ArgumentParser
import Control
import GroupModel

/// The VIF that an operand names.
func named(_ text: String) throws(ValidationError) -> VIFID {
  do throws(ControlRequest.Malformed) {
    return try ControlRequest.vif(text)
  } catch {
    throw ValidationError(error.text)
  }
}

/// The node that an operand names.
func named(_ text: String) throws(ValidationError) -> NodeID {
  do throws(ControlRequest.Malformed) {
    return try ControlRequest.node(text)
  } catch {
    throw ValidationError(error.text)
  }
}
