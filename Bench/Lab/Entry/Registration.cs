using System.Security.Cryptography;
using FastExit.Crypto.Primitives;

namespace FastExit.Bench.Lab.Entry;

/// <summary>
/// The four handshake messages by which a client and its gateway agree on a key (entry-and-directory.md §2.5). Protocols from 3 on: 80 bytes,
/// 124, 92, 1; protocols 1 and 2: 64, 96, 64, 1. Both sides sign both ephemeral keys, each its own first.
/// </summary>
internal static class Registration
{
    public const int KeyBytes = 32;
    public const int SaltBytes = 16;
    public const int ModernFirstBytes = (2 * KeyBytes) + SaltBytes;
    public const int LegacyFirstBytes = 2 * KeyBytes;
    public const byte Accepted = 1;
    public const byte Rejected = 0;

    public static byte[] SignedBytes(ReadOnlySpan<byte> own, ReadOnlySpan<byte> other) => [.. own, .. other];

    /// <summary>Ciphertext, and the nonce behind it where the key's form has one.</summary>
    public static byte[] SealSignature(SharedKey key, byte[] signature)
    {
        byte[] nonce = key.IsLegacy ? new byte[key.NonceBytes] : RandomNumberGenerator.GetBytes(key.NonceBytes);
        byte[] sealedSignature = key.Encrypt(nonce, signature);
        return key.IsLegacy ? sealedSignature : [.. sealedSignature, .. nonce];
    }

    /// <summary>Whether <paramref name="message"/> is <paramref name="signer"/>'s signature of the two keys, under the agreed key.</summary>
    public static bool Verify(SharedKey key, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signer, byte[] signedBytes)
    {
        int nonceBytes = key.IsLegacy ? 0 : key.NonceBytes;
        if (message.Length != Ed25519.SignatureBytes + key.TagBytes + nonceBytes)
            return false;
        ReadOnlySpan<byte> nonce = key.IsLegacy ? new byte[key.NonceBytes] : message[^nonceBytes..];
        return key.Decrypt(nonce, message[..^nonceBytes]) is { } signature && Ed25519.Verify(signer, signedBytes, signature);
    }
}

/// <summary>The gateway's side of one registration: made from the client's first message, finished by its second.</summary>
internal sealed class GatewayRegistration
{
    private readonly byte[] _ephemeralPublic;
    private readonly byte[] _clientEphemeral;

    private GatewayRegistration(byte[] first, SharedKey key, byte[] ephemeralPublic)
    {
        Identity = first[..Registration.KeyBytes];
        _clientEphemeral = first[Registration.KeyBytes..(2 * Registration.KeyBytes)];
        _ephemeralPublic = ephemeralPublic;
        Key = key;
    }

    /// <summary>The client's ed25519 public key.</summary>
    public byte[] Identity { get; }

    public SharedKey Key { get; }

    /// <param name="first">The client's first message.</param>
    /// <param name="gatewaySeed">The gateway's ed25519 seed.</param>
    /// <param name="second">What to answer.</param>
    /// <returns>Null: of no known length, or its keys are none.</returns>
    public static GatewayRegistration? Begin(byte[] first, ReadOnlySpan<byte> gatewaySeed, out byte[] second)
    {
        second = [];
        if (first.Length is not (Registration.ModernFirstBytes or Registration.LegacyFirstBytes)
            || !Ed25519.IsPoint(first.AsSpan(0, Registration.KeyBytes)))
            return null;
        byte[] ephemeral = RandomNumberGenerator.GetBytes(Registration.KeyBytes);
        byte[] ephemeralPublic = new byte[Registration.KeyBytes];
        X25519.MultiplyBase(ephemeral, ephemeralPublic);
        byte[] clientEphemeral = first[Registration.KeyBytes..(2 * Registration.KeyBytes)];
        if (!SharedKey.TryAgree(ephemeral, clientEphemeral, first.AsSpan(2 * Registration.KeyBytes), out SharedKey key))
            return null;
        byte[] signature = Ed25519.Sign(gatewaySeed, Registration.SignedBytes(ephemeralPublic, clientEphemeral));
        second = [.. ephemeralPublic, .. Registration.SealSignature(key, signature)];
        return new GatewayRegistration(first, key, ephemeralPublic);
    }

    public bool Finish(ReadOnlySpan<byte> third) =>
        Registration.Verify(Key, third, Identity, Registration.SignedBytes(_clientEphemeral, _ephemeralPublic));
}
