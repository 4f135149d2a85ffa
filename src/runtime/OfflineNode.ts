/** What works without a network: the keys under a home directory. Kept light, since commands start with it. */
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as Layer from "effect/Layer"
import * as VerifiedSignatures from "../protocol/core/VerifiedSignatures.ts"
import * as NodeEd25519 from "./crypto/NodeEd25519.ts"
import * as FileKeystore from "./keystore/FileKeystore.ts"
import * as QuickFileSystem from "./QuickFileSystem.ts"
import * as Home from "./store/Home.ts"

/** A signature that was found valid is not computed again. */
const rest = Layer.mergeAll(
  NodePath.layer,
  NodeCrypto.layerSecureRandom,
  VerifiedSignatures.layer.pipe(Layer.provide(NodeEd25519.layer))
)

/** Files, paths, randomness and signatures of Node, for programs that end: see `QuickFileSystem`. */
export const platform = Layer.mergeAll(QuickFileSystem.layer, rest)

/** The same for programs that serve others, whom a slow disk must not keep waiting. */
export const servingPlatform = Layer.mergeAll(NodeFileSystem.layer, rest)

export interface Options {
  /** Home directory, such as `~/.libreseed` (already expanded). */
  readonly home: string
  /** Whether the program serves others meanwhile. By default it does not. */
  readonly serves?: boolean | undefined
}

/** The keystore under a home directory. */
export const keystore = ({ home, serves = false }: Options) =>
  FileKeystore.layer.pipe(Layer.provideMerge(Home.layer(home)), Layer.provideMerge(serves ? servingPlatform : platform))
