/**
 * `@libreseed/protocol/node`: the layers that bring the protocol's services to life on Node.js.
 * `LiveNode.layer` is all of them together.
 */
export * as ArchiveErrors from "./archive/ArchiveError.ts"
export * as ArchiveLimits from "./archive/ArchiveLimits.ts"
export * as Extract from "./archive/Extract.ts"
export * as Pack from "./archive/Pack.ts"
export * as ReadPackage from "./archive/ReadPackage.ts"
export * as NodeEd25519 from "./crypto/NodeEd25519.ts"
export * as NodeHasher from "./crypto/NodeHasher.ts"
export * as MainlineDht from "./dht/MainlineDht.ts"
export * as Testnet from "./dht/Testnet.ts"
export * as Install from "./install/Install.ts"
export * as FileKeystore from "./keystore/FileKeystore.ts"
export * as LiveNode from "./LiveNode.ts"
export * as OfflineNode from "./OfflineNode.ts"
export * as FileObservations from "./store/FileObservations.ts"
export * as FilePackageStore from "./store/FilePackageStore.ts"
export * as FileRecordStore from "./store/FileRecordStore.ts"
export * as Home from "./store/Home.ts"
export * as TorrentStreamSwarm from "./swarm/TorrentStreamSwarm.ts"
