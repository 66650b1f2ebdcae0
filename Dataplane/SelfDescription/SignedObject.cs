using System.Text.Json;
using FastExit.Crypto.Primitives;
using SimpleBase;

namespace FastExit.SelfDescription;

/// <summary>
/// `{"data": …, "signature": "…"}`: the signature, 64 bytes in base58, is the node's identity's over the compact JSON of `data`
/// (mix-link.md §6.2).
/// </summary>
internal static class SignedObject
{
    /// <param name="identitySeed">Of the node, 32 bytes.</param>
    /// <param name="data">What <see cref="SerdeJson"/> wrote.</param>
    public static byte[] Sign(ReadOnlySpan<byte> identitySeed, byte[] data) => new SerdeJson().StartObject()
        .Name("data").Raw(data)
        .Name("signature").Value(Base58.Bitcoin.Encode(Ed25519.Sign(identitySeed, data)))
        .EndObject().ToArray();

    /// <summary>Whether <paramref name="signed"/>'s signature is that of <paramref name="identity"/> over <paramref name="data"/>, written anew from what was read.</summary>
    public static bool Verify(JsonElement signed, ReadOnlySpan<byte> identity, ReadOnlySpan<byte> data) =>
        JsonMember.TryBase58(JsonMember.Text(signed, "signature"), Ed25519.SignatureBytes, out var signature)
        && Ed25519.Verify(identity, data, signature);
}
