import * as PackageStoreMemory from "../../../src/protocol/testing/PackageStoreMemory.ts"
import * as PackageStoreSuite from "./PackageStoreSuite.ts"

PackageStoreSuite.suite("memory", PackageStoreMemory.layer)
