using System.Buffers.Binary;
using FastExit.Crypto.Primitives;
using FastExit.Identity;

namespace FastExit.SelfDescription;

/// <summary>
/// Body of `POST v1/nym-nodes/refresh-described` (mix-link.md §6.7), by which a node asks the network's API to describe it anew. Signed
/// are identity (32 bytes), UNIX seconds (8, big endian) and a fixed text. Refused when older than 30 s or in the future, and more than
/// once a minute.
/// </summary>
internal static class RefreshRequest
{
    private static ReadOnlySpan<byte> Purpose => "describe-cache-refresh-request"u8;

    /// <summary>The ed25519 signature, 64 bytes.</summary>
    /// <param name="identitySeed">Of the node, 32 bytes.</param>
    /// <param name="unixSeconds">Now, by the clock of this host.</param>
    public static byte[] Sign(ReadOnlySpan<byte> identitySeed, long unixSeconds) =>
        Ed25519.Sign(identitySeed, SignedBytes(Ed25519.PublicKey(identitySeed), unixSeconds));

    public static byte[] SignedBytes(ReadOnlySpan<byte> identity, long unixSeconds)
    {
        var signed = new byte[Ed25519.PublicKeyBytes + sizeof(long) + Purpose.Length];
        identity.CopyTo(signed);
        BinaryPrimitives.WriteInt64BigEndian(signed.AsSpan(Ed25519.PublicKeyBytes), unixSeconds);
        Purpose.CopyTo(signed.AsSpan(Ed25519.PublicKeyBytes + sizeof(long)));
        return signed;
    }

    /// <summary>The request as JSON; the signature is a list of numbers.</summary>
    public static byte[] Body(NodeKeys keys, DateTimeOffset now)
    {
        var seconds = now.ToUnixTimeSeconds();
        var json = new SerdeJson().StartObject()
            .Name("node_identity").Value(NodeKeys.Base58Text(keys.Identity))
            .Name("request_timestamp").Value(seconds)
            .Name("signature").StartArray();
        foreach (var part in Sign(keys.IdentitySeed, seconds))
            json.Value(part);
        return json.EndArray().EndObject().ToArray();
    }
}
