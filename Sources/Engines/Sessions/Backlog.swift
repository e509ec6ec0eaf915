// SPDX-License-Identifier: Apache-2.0

/// How much memory is taken by what waits for clients that do not read: a message that waits for
/// several of them is there once.
struct Backlog: Sendable, Equatable {
  /// A message, and for how many it waits.
  private struct Parcel: Sendable, Equatable {
    let bytes: Int
    var holders = 0
  }

  private var parcels: [UInt64: Parcel] = [:]
  /// Of all messages that wait, and of all batches that the kernel did not take.
  private(set) var bytes = 0

  mutating func hold(_ item: Output.Item) {
    var parcel = parcels[item.parcel] ?? Parcel(bytes: item.bytes.count)
    if parcel.holders == 0 { bytes += parcel.bytes }
    parcel.holders += 1
    parcels[item.parcel] = parcel
  }

  mutating func release(_ item: Output.Item) {
    guard var parcel = parcels[item.parcel] else { return }
    parcel.holders -= 1
    if parcel.holders == 0 { bytes -= parcel.bytes }
    parcels[item.parcel] = parcel.holders > 0 ? parcel : nil
  }

  /// A batch, of which each client has its own copy, is with the kernel down to so much.
  mutating func changeBatch(from before: Int, to now: Int) { bytes += now - before }

  /// A session is over, with what waits for it.
  mutating func forget(_ output: Output) {
    changeBatch(from: output.unsentBytes, to: 0)
    guard output.isHeld else { return }
    for item in output.waitingItems { release(item) }
  }
}
