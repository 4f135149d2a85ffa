/**
 * `@libreseed/protocol`: a software package registry that nobody runs, as a pure Effect library.
 *
 * Services (`Dht`, `Swarm`, `Keystore`, …) are classes; everything else is a module of functions
 * beside its type. Layers that bring the services to life are in `@libreseed/protocol/node`, those
 * in memory in `@libreseed/protocol/testing`.
 */
export * as Base58 from "./core/Base58.ts"
export * as Bencode from "./core/Bencode.ts"
export * as CanonicalJson from "./core/CanonicalJson.ts"
export * as Digest from "./core/Digest.ts"
export { Ed25519 } from "./core/Ed25519.ts"
export * as Errors from "./core/Errors.ts"
export { Hasher } from "./core/Hasher.ts"
export * as Infohash from "./core/Infohash.ts"
export * as KeyPair from "./core/KeyPair.ts"
export {
  DEFAULT_KEY_NAME,
  type KeyEntry,
  KeyDamaged,
  KeyExists,
  KeyExposed,
  KeyName,
  KeyNotFound,
  Keystore,
  KeystoreError,
  KeystoreUnavailable,
  parseKeyName
} from "./core/Keystore.ts"
export * as PackageName from "./core/PackageName.ts"
export * as PackageSpec from "./core/PackageSpec.ts"
export * as PeerAddress from "./core/PeerAddress.ts"
export * as PublicKey from "./core/PublicKey.ts"
export * as Version from "./core/Version.ts"
export { Dht, type PutReceipt } from "./dht/Dht.ts"
export * as DhtErrors from "./dht/DhtError.ts"
export { DhtError } from "./dht/DhtError.ts"
export * as KeyString from "./dht/KeyString.ts"
export * as Record from "./dht/Record.ts"
export { RecordStore, RecordStoreError } from "./dht/RecordStore.ts"
export * as Lookup from "./registry/Lookup.ts"
export * as Manifest from "./registry/Manifest.ts"
export * as NameClaim from "./registry/NameClaim.ts"
export * as NameIndex from "./registry/NameIndex.ts"
export { Observations, ObservationsError } from "./registry/Observations.ts"
export * as Package from "./registry/Package.ts"
export * as Policy from "./registry/Policy.ts"
export * as Publish from "./registry/Publish.ts"
export * as RegistryErrors from "./registry/RegistryError.ts"
export { RegistryError } from "./registry/RegistryError.ts"
export * as Release from "./registry/Release.ts"
export * as Republish from "./registry/Republish.ts"
export * as Resolve from "./registry/Resolve.ts"
export { type Content, StorageFailed } from "./swarm/Content.ts"
export * as FetchRelease from "./swarm/FetchRelease.ts"
export { PackageStore, type StoredRelease } from "./swarm/PackageStore.ts"
export * as PieceHasher from "./swarm/PieceHasher.ts"
export * as PublishPackage from "./swarm/PublishPackage.ts"
export { type DownloadRequest, type Progress, Swarm } from "./swarm/Swarm.ts"
export * as SwarmErrors from "./swarm/SwarmError.ts"
export { SwarmError } from "./swarm/SwarmError.ts"
export * as Torrent from "./swarm/Torrent.ts"
