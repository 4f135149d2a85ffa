/** What works without a network: the keys under a home directory. Kept light, since commands start with it. */
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as Layer from "effect/Layer"
import * as VerifiedSignatures from "../protocol/core/VerifiedSignatures.ts"
import * as NodeEd25519 from "./crypto/NodeEd25519.ts"
import * as FileKeystore from "./keystore/FileKeystore.ts"
import * as Home from "./store/Home.ts"

/** Files, paths, randomness and signatures of Node; a signature that was found valid is not computed again. */
export const platform = Layer.mergeAll(
  NodeFileSystem.layer,
  NodePath.layer,
  NodeCrypto.layerSecureRandom,
  VerifiedSignatures.layer.pipe(Layer.provide(NodeEd25519.layer))
)

/** The keystore under a home directory, such as `~/.libreseed` (already expanded). */
export const keystore = (options: { readonly home: string }) =>
  FileKeystore.layer.pipe(Layer.provideMerge(Home.layer(options.home)), Layer.provideMerge(platform))
