import * as Layer from "effect/Layer"
import { Proofs } from "../../../src/protocol/registry/Proofs.ts"
import { layer as ed25519 } from "../../../src/runtime/crypto/NodeEd25519.ts"
import * as ProofsSuite from "./ProofsSuite.ts"

ProofsSuite.suite("memory", Layer.merge(Proofs.layerMemory, ed25519))
