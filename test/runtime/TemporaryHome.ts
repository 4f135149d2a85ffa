/** A home directory that is gone when the layer's scope closes, with the platform services it stands on. */
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { layer as ed25519 } from "../../src/runtime/crypto/NodeEd25519.ts"
import * as Home from "../../src/runtime/store/Home.ts"

export const platform = Layer.mergeAll(NodeFileSystem.layer, NodePath.layer, NodeCrypto.layerSecureRandom, ed25519)

export const layer = Layer.unwrap(
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    return Home.layer(yield* fs.makeTempDirectoryScoped({ prefix: "libreseed-test-" }))
  })
).pipe(Layer.provideMerge(platform))
