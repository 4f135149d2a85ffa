/**
 * Packages and everything that is needed to resolve and verify them, in one file, for machines without
 * a network. {@link gather} and {@link write} make it from what is stored here; {@link inspect} tells what
 * is in one; {@link importFrom} brings it into the stores. A bundle needs no trust: nothing in it counts
 * but what publishers signed. The format is that of `docs/spec/bundle.md`.
 */
export { BundleError } from "./BundleError.ts"
export { FORMAT, type Listed, RELEASES_MAX } from "./BundleFormat.ts"
export { gather, type Options } from "./BundleGather.ts"
export { type Imported, type ImportedRelease, importFrom, inspect } from "./BundleImport.ts"
export type { Proven, ProvenRelease } from "./BundleProofs.ts"
export type { Contents } from "./BundleRead.ts"
export type { BundleBytes } from "./BundleSource.ts"
export { type Material, type Sink, write } from "./BundleWrite.ts"
