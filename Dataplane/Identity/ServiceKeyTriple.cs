using FastExit.Crypto.EndToEnd;
using FastExit.Crypto.Primitives;

namespace FastExit.Identity;

/// <summary>The own three keys of a service behind this node (end-to-end.md §1.1), independent of each other and of the node's.</summary>
internal sealed class ServiceKeyTriple : IDisposable
{
    public const int AcknowledgementKeyBytes = 16;

    private readonly SecretBytes _identity;
    private readonly SecretBytes _encryption;
    private readonly SecretBytes _acknowledgement;

    /// <summary>Takes the buffers: ed25519 seed, x25519 private key, AES-128 key.</summary>
    public ServiceKeyTriple(SecretBytes identity, SecretBytes encryption, SecretBytes acknowledgement, ReadOnlySpan<byte> gateway)
    {
        _identity = identity;
        _encryption = encryption;
        _acknowledgement = acknowledgement;
        Span<byte> address = stackalloc byte[Recipient.Bytes];
        Ed25519.PublicKey(identity.Span).CopyTo(address);
        X25519.MultiplyBase(encryption.Span, address[Ed25519.PublicKeyBytes..]);
        gateway.CopyTo(address[(Ed25519.PublicKeyBytes + X25519.KeyBytes)..]);
        Address = Recipient.TryRead(address, out var recipient)
            ? recipient
            : throw new InvalidOperationException("a public key that is made from a seed is a point of the curve");
    }

    /// <summary>What clients are given; its identity is the Sphinx destination of packets for the service.</summary>
    public Recipient Address { get; }

    /// <summary>ed25519, 32 bytes.</summary>
    public ReadOnlySpan<byte> IdentitySeed => _identity.Span;

    /// <summary>x25519, 32 bytes, not clamped.</summary>
    public ReadOnlySpan<byte> EncryptionPrivateKey => _encryption.Span;

    /// <summary>AES-128 key of its own acknowledgements.</summary>
    public ReadOnlySpan<byte> AcknowledgementKey => _acknowledgement.Span;

    public static ServiceKeyTriple Generate(ReadOnlySpan<byte> gateway) => new(
        SecretBytes.Random(Ed25519.SeedBytes),
        SecretBytes.Random(X25519.KeyBytes),
        SecretBytes.Random(AcknowledgementKeyBytes),
        gateway);

    public void Dispose()
    {
        _identity.Dispose();
        _encryption.Dispose();
        _acknowledgement.Dispose();
    }
}
