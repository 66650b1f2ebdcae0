using System.Buffers.Binary;
using FastExit.Crypto.Primitives;

namespace FastExit.Bench.Lab.Entry;

/// <summary>The checks of a client that says it is a known one (entry-and-directory.md §2.6), in the order of the network's gateways.</summary>
internal static class Authentication
{
    private const int SignedBytes = 1 + 32 + 48 + 12 + sizeof(ulong);

    /// <summary>What a client signs: version ‖ identity ‖ ciphertext ‖ nonce ‖ timestamp, big-endian.</summary>
    public static byte[] Signed(byte version, ReadOnlySpan<byte> identity, ReadOnlySpan<byte> ciphertext, ReadOnlySpan<byte> nonce, ulong timestamp)
    {
        byte[] time = new byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64BigEndian(time, timestamp);
        return [version, .. identity, .. ciphertext, .. nonce, .. time];
    }

    /// <returns>Null: it is that client; else what is wrong.</returns>
    public static string? CheckV2(ClientRequest request, KnownClients clients, EntrySettings settings, DateTimeOffset now, out KnownClient? client)
    {
        client = null;
        long skew = (long)settings.TimestampSkew.TotalSeconds, seconds = now.ToUnixTimeSeconds();
        if (request.Timestamp > long.MaxValue || Math.Abs((long)request.Timestamp - seconds) > skew)
            return "the request's timestamp is too far from this clock";
        byte[] signed = Signed(request.Protocol ?? 0, request.Identity, request.Data, request.Nonce, request.Timestamp);
        if (signed.Length != SignedBytes || !Ed25519.Verify(request.Identity, signed, request.Signature))
            return "the request's signature is wrong";
        if (clients.Find(request.Identity) is not { } known)
            return "this client is not registered here";
        if (!Owns(known, request))
            return "the address is not encrypted by the key of the registration";
        if (request.Timestamp <= known.LastTimestamp)
            return "this timestamp was used before";
        client = known;
        return null;
    }

    /// <inheritdoc cref="CheckV2"/>
    public static string? CheckV1(ClientRequest request, KnownClients clients, out KnownClient? client)
    {
        client = clients.Find(request.Identity) is { } known && Owns(known, request) ? known : null;
        return client is null ? "this client is not registered here, or by another key" : null;
    }

    private static bool Owns(KnownClient client, ClientRequest request) =>
        client.Key.Decrypt(request.Nonce, request.Data) is { } address && address.AsSpan().SequenceEqual(client.Identity);
}
