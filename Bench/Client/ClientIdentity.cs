using System.Security.Cryptography;
using FastExit.Crypto.EndToEnd;
using FastExit.Crypto.Primitives;

namespace FastExit.Bench.Client;

/// <summary>Keys of one client run (end-to-end.md §1.1): a new address for every process, so that runs cannot be linked.</summary>
internal sealed class ClientIdentity
{
    private ClientIdentity(ReadOnlySpan<byte> gateway)
    {
        Seed = RandomNumberGenerator.GetBytes(32);
        EncryptionPrivate = RandomNumberGenerator.GetBytes(32);
        AckKey = RandomNumberGenerator.GetBytes(16);
        byte[] recipient = new byte[Recipient.Bytes];
        Ed25519.PublicKey(Seed).CopyTo(recipient, 0);
        X25519.MultiplyBase(EncryptionPrivate, recipient.AsSpan(32));
        gateway.CopyTo(recipient.AsSpan(64));
        if (!Recipient.TryRead(recipient, out Recipient address))
            throw new ArgumentException("the gateway's identity is not an ed25519 key", nameof(gateway));
        Address = address;
    }

    public Recipient Address { get; }

    /// <summary>ed25519 seed of the address's identity.</summary>
    public byte[] Seed { get; }

    /// <summary>X25519 scalar, unclamped.</summary>
    public byte[] EncryptionPrivate { get; }

    public byte[] AckKey { get; }

    public static ClientIdentity Generate(ReadOnlySpan<byte> gatewayIdentity) => new(gatewayIdentity);
}
