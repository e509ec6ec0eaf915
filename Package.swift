// swift-tools-version: 6.3
// SPDX-License-Identifier: Apache-2.0
//
// The folders are the architecture: a target may use only what its layer allows (docs/architecture.md), and the build is
// run with `--explicit-target-dependency-import-check error`, so a forbidden import does not compile.

import PackageDescription

// MARK: - Settings

let common: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InferIsolatedConformances"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .treatAllWarnings(as: .error),
]

// MARK: - Layers

func layer(_ folder: String, _ name: String, _ dependencies: [String] = []) -> Target {
  .target(
    name: name,
    dependencies: dependencies.map { .byName(name: $0) },
    path: "Sources/\(folder)/\(name)",
    swiftSettings: common
  )
}

func shim(_ name: String, pkgConfig: String? = nil) -> Target {
  .systemLibrary(name: name, path: "CShims/\(name)", pkgConfig: pkgConfig)
}

func program(
  _ name: String,
  in folder: String = "Programs",
  _ dependencies: [Target.Dependency]
) -> Target {
  .executableTarget(
    name: name,
    dependencies: dependencies,
    path: "Sources/\(folder)/\(name)",
    swiftSettings: common
  )
}

func tests(
  _ name: String,
  _ dependencies: [String],
  exclude: [String] = [],
  resources: [Resource] = []
) -> Target {
  .testTarget(
    name: "\(name)Tests",
    dependencies: dependencies.map { .byName(name: $0) },
    path: "Tests/\(name)Tests",
    exclude: exclude,
    resources: resources,
    swiftSettings: common
  )
}

let values = ["Machine", "Bytes", "Addresses", "GroupModel"]

// MARK: - Package

let package = Package(
  name: "wackamole",
  products: [
    .executable(name: "wackamole", targets: ["wackamole"]),
    .executable(name: "wackamole-guardian", targets: ["wackamole-guardian"]),
    .executable(name: "wackamole-runner", targets: ["wackamole-runner"]),
    .executable(name: "wackatrl", targets: ["wackatrl"]),
    .executable(name: "spreadctl", targets: ["spreadctl"]),
    .executable(name: "spreadd", targets: ["spreadd"]),
    .executable(name: "simulate", targets: ["simulate"]),
    .library(name: "SpreadClient", targets: ["SpreadClient"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
  ],
  targets: [
    // C shims: one library each, one importer each.
    shim("CLinux"),
    shim("CNetlink", pkgConfig: "libnl-route-3.0"),
    shim("CPcap"),
    shim("CSodium"),

    // Values: the standard library only.
    layer("Values", "Machine"),
    layer("Values", "Bytes"),
    layer("Values", "Addresses"),
    layer("Values", "GroupModel", ["Machine"]),
    layer("Values", "ConfigurationText", ["Addresses"]),
    layer("Values", "Health", ["Addresses"]),

    // Wire: codecs.
    layer("Wire", "RingWire", values),
    layer("Wire", "GroupsWire", values),
    layer("Wire", "FailoverWire", values),
    layer("Wire", "LinkWire", values),
    layer("Wire", "SessionWire", values),
    layer("Wire", "RunnerWire", values + ["Health"]),

    // Engines: pure state machines.
    layer("Engines", "Ring", values + ["RingWire"]),
    layer("Engines", "Sealing", values + ["RingWire"]),
    layer("Engines", "Groups", values + ["GroupsWire"]),
    layer("Engines", "Sessions", values + ["SessionWire"]),
    layer("Engines", "SessionClient", values + ["SessionWire"]),
    layer("Engines", "Failover", values + ["FailoverWire"]),
    layer("Engines", "Announcements", values + ["LinkWire"]),
    layer("Engines", "Interfaces", ["Machine", "Addresses"]),
    layer("Engines", "Checking", values + ["Health", "RunnerWire"]),
    layer("Engines", "Configuration", values + ["ConfigurationText", "Health"]),
    layer("Engines", "SpreadConfiguration", values + ["ConfigurationText"]),

    // Nodes: engines composed, still no I/O.
    layer("Nodes", "GroupNode", values + ["RingWire", "GroupsWire", "Ring", "Groups"]),
    layer(
      "Nodes",
      "SessionNode",
      values + ["RingWire", "SessionWire", "Ring", "Groups", "Sessions", "GroupNode"]
    ),
    layer(
      "Nodes",
      "FailoverNode",
      values + ["FailoverWire", "LinkWire", "Failover", "Announcements"]
    ),

    // Simulation: used by tests and `scripts/simulate` only.
    layer(
      "Simulation",
      "Worlds",
      values + ["RingWire", "GroupsWire", "FailoverWire", "LinkWire", "Ring", "Groups", "Failover"]
        + ["Announcements", "GroupNode", "FailoverNode"]
    ),
    program(
      "simulate",
      in: "Simulation",
      [
        "Machine", "GroupModel", "Worlds",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]
    ),

    program(
      "benchmark",
      in: "Simulation",
      [
        "Machine", "Addresses", "GroupModel", "RingWire", "Ring", "Groups", "GroupNode", "LinkWire",
        "Announcements",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]
    ),

    program(
      "fuzz",
      in: "Simulation",
      [
        "Machine", "Bytes", "Addresses", "GroupModel", "RingWire", "Ring", "LinkWire",
        "FailoverWire", "GroupsWire", "SessionWire", "Sessions", "ConfigurationText",
        "Configuration", "SpreadConfiguration", "Health", "RunnerWire", "Checking",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]
    ),

    // Shells: the outside world, thin.
    layer("Shells", "Reactor", ["Machine", "CLinux"]),
    layer("Shells", "Transport", ["Machine", "Addresses", "Reactor"]),
    layer(
      "Shells",
      "SpreadSession",
      values + ["SessionWire", "SessionClient", "Reactor", "Transport"]
    ),
    layer("Shells", "Netlink", ["Machine", "Addresses", "Reactor", "CNetlink"]),
    layer("Shells", "Capture", ["Machine", "Addresses", "Reactor", "CPcap"]),
    layer("Shells", "Seal", ["GroupModel", "RingWire", "CSodium"]),
    .target(
      name: "DaemonKit",
      dependencies: [
        "Machine", "Addresses", "Reactor", .product(name: "Logging", package: "swift-log"),
      ],
      path: "Sources/Shells/DaemonKit",
      swiftSettings: common
    ),

    // For other programs: the one library that is public.
    .target(
      name: "SpreadClient",
      dependencies: [
        "Addresses", "GroupModel", "SessionWire", "SessionClient", "SpreadSession", "Reactor",
      ],
      path: "Sources/SpreadClient",
      swiftSettings: common
    ),
    .executableTarget(
      name: "spread-chat",
      dependencies: ["SpreadClient"],
      path: "examples/spread-chat",
      swiftSettings: common
    ),

    // Programs, and what several of them share.
    layer(
      "Programs",
      "EmbeddedRing",
      values + [
        "RingWire", "Ring", "Groups", "Sealing", "ConfigurationText", "Configuration", "GroupNode",
        "Reactor", "Transport", "Seal", "Netlink", "DaemonKit",
      ]
    ),
    // What daemon and tools share: the configuration file, the control socket.
    layer(
      "Programs",
      "Control",
      [
        "Addresses", "GroupModel", "ConfigurationText", "Configuration", "Reactor", "Transport",
        "DaemonKit",
      ]
    ),
    layer("Programs", "TextLayout"),
    layer(
      "Programs",
      "Reports",
      [
        "Machine", "Bytes", "Addresses", "GroupModel", "Health", "FailoverWire", "Failover",
        "TextLayout",
      ]
    ),
    layer("Programs", "SpreadReports", ["Machine", "Bytes", "TextLayout"]),
    program(
      "wackatrl",
      [
        "Addresses", "GroupModel", "Configuration", "Control", "DaemonKit",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]
    ),
    program(
      "wackamole",
      [
        "Control", "TextLayout", "Reports", "Health", "RunnerWire", "Machine", "Bytes", "Addresses",
        "GroupModel",
        "RingWire", "FailoverWire",
        "LinkWire",
        "Ring", "Failover", "Announcements", "ConfigurationText", "Configuration", "GroupNode",
        "FailoverNode", "Interfaces",
        "EmbeddedRing", "Sealing", "Seal", "Reactor", "Transport", "Netlink", "Capture",
        "SessionClient", "SpreadSession",
        "DaemonKit",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ]
    ),
    program(
      "spreadctl",
      [
        "Machine", "Bytes", "Addresses", "GroupModel", "ConfigurationText", "SessionWire",
        "SessionClient", "SpreadSession", "Configuration", "SpreadConfiguration", "Reactor",
        "Transport", "Seal", "DaemonKit", "TextLayout", "SpreadReports",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]
    ),
    program(
      "spreadd",
      [
        "Machine", "Bytes", "Addresses", "GroupModel", "ConfigurationText", "RingWire",
        "SessionWire", "Ring", "Groups", "Sessions", "SpreadConfiguration",
        "GroupNode", "SessionNode", "EmbeddedRing", "Sealing", "Seal", "Reactor", "Transport",
        "Netlink", "DaemonKit",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ]
    ),
    program("wackamole-guardian", ["Machine", "Addresses", "Netlink", "Reactor", "Transport"]),
    program(
      "wackamole-runner",
      ["Machine", "Health", "RunnerWire", "Checking", "Reactor", "Transport"]
    ),
    // Built by scripts/bench alone; not installed.
    program(
      "ringbench",
      [
        "Machine", "Bytes", "Addresses", "GroupModel", "RingWire", "Ring", "Sealing",
        "Configuration", "GroupNode", "EmbeddedRing", "Seal", "Reactor", "Transport", "DaemonKit",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]
    ),

    // Tests: one folder per module.
    tests("Machine", values),
    tests("RingWire", values + ["RingWire"]),
    tests("Ring", values + ["RingWire", "Ring"], exclude: ["Scenarios"]),
    tests("FailoverWire", values + ["FailoverWire"]),
    tests("LinkWire", values + ["LinkWire"]),
    tests("GroupsWire", values + ["GroupsWire"]),
    .target(
      name: "Transcripts",
      path: "Tests/Transcripts",
      exclude: ["Recorded"],
      swiftSettings: common
    ),
    tests("SessionWire", values + ["SessionWire", "Transcripts"]),
    tests("Groups", values + ["GroupsWire", "Groups", "Worlds"]),
    .target(
      name: "GroupConformance",
      dependencies: ["GroupModel"],
      path: "Tests/GroupConformance",
      swiftSettings: common
    ),
    tests(
      "EmbeddedRing",
      values + ["RingWire", "Ring", "GroupNode", "EmbeddedRing", "Reactor", "Transport"]
        + ["GroupConformance", "Namespaces"]
    ),
    tests(
      "GroupNode",
      values + ["RingWire", "Ring", "Groups", "GroupNode", "GroupConformance"]
    ),
    tests("Sessions", values + ["SessionWire", "Sessions"]),
    tests(
      "SessionNode",
      values + ["RingWire", "SessionWire", "Ring", "Groups", "Sessions", "GroupNode"]
        + ["SessionNode", "Transcripts", "SessionClient", "GroupConformance"]
    ),
    tests("SessionClient", values + ["SessionWire", "SessionClient", "Transcripts"]),
    tests("Failover", values + ["FailoverWire", "Failover"]),
    tests("Announcements", values + ["LinkWire", "Announcements"]),
    tests("Interfaces", ["Machine", "Addresses", "Interfaces"]),
    tests(
      "FailoverNode",
      values + ["FailoverWire", "LinkWire", "Failover", "Announcements", "FailoverNode"]
    ),
    tests("RunnerWire", values + ["Health", "RunnerWire"]),
    tests("Checking", values + ["Health", "RunnerWire", "Checking"]),
    tests("Configuration", values + ["ConfigurationText", "Health", "Configuration"]),
    tests("SpreadConfiguration", values + ["ConfigurationText", "SpreadConfiguration"]),
    tests(
      "Simulation",
      values + ["RingWire", "Ring", "Groups", "GroupNode", "FailoverNode", "Worlds"]
    ),
    tests("Sealing", values + ["RingWire", "Sealing"]),
    tests("Seal", ["GroupModel", "RingWire", "Seal"]),
    tests("Reactor", ["Machine", "Reactor"]),
    tests("Transport", ["Machine", "Addresses", "Reactor", "Transport", "Namespaces"]),
    tests("DaemonKit", ["Machine", "Reactor", "DaemonKit", "Namespaces"]),
    .target(
      name: "FakeDaemon",
      dependencies: ["GroupModel", "SessionWire", "Reactor", "Transport"],
      path: "Tests/FakeDaemon",
      swiftSettings: common
    ),
    tests(
      "SpreadSession",
      values + [
        "SessionWire", "SessionClient", "SpreadSession", "Reactor", "Transport", "FakeDaemon",
        "Namespaces", "GroupConformance", "spreadd",
      ]
    ),
    tests("SpreadClient", ["Machine", "Reactor", "SpreadClient", "FakeDaemon", "Namespaces"]),
    .target(name: "Namespaces", path: "Tests/Namespaces", swiftSettings: common),
    tests(
      "Netlink",
      ["Machine", "Addresses", "Reactor", "Netlink", "Namespaces", "wackamole-guardian"]
    ),
    tests("Capture", ["Machine", "Addresses", "Reactor", "Capture", "Namespaces"]),
    tests("Control", ["Addresses", "GroupModel", "Control"]),
    tests("SpreadReports", ["Machine", "Bytes", "TextLayout", "SpreadReports"]),
    tests("Reports", values + ["Health", "FailoverWire", "Failover", "TextLayout", "Reports"]),
    tests(
      "Manual",
      ["GroupModel", "Health", "FailoverWire", "Configuration", "SpreadConfiguration"]
    ),
    tests("Tidy", []),
  ]
)
