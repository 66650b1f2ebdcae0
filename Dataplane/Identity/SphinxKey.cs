using System.Buffers.Binary;
using FastExit.Crypto.Primitives;

namespace FastExit.Identity;

/// <summary>
/// One x25519 key for Sphinx headers and the rotation it belongs to (mix-link.md §5). Stored as the rotation id (4 bytes, big endian)
/// and the private key (32 bytes).
/// </summary>
internal sealed class SphinxKey : IDisposable
{
    public const int StoredBytes = sizeof(uint) + X25519.KeyBytes;

    private readonly SecretBytes _stored;
    private readonly byte[] _publicKey = new byte[X25519.KeyBytes];

    /// <summary>Takes the buffer.</summary>
    public SphinxKey(SecretBytes stored)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(stored.Length, StoredBytes);
        _stored = stored;
        RotationId = BinaryPrimitives.ReadUInt32BigEndian(stored.Span);
        X25519.MultiplyBase(PrivateKey, _publicKey);
    }

    public uint RotationId { get; }

    public ReadOnlySpan<byte> PrivateKey => _stored.Span[sizeof(uint)..];

    public ReadOnlySpan<byte> PublicKey => _publicKey;

    public ReadOnlySpan<byte> Stored => _stored.Span;

    public static SphinxKey Generate(uint rotationId)
    {
        var stored = SecretBytes.Random(StoredBytes);
        BinaryPrimitives.WriteUInt32BigEndian(stored.Span, rotationId);
        return new SphinxKey(stored);
    }

    public void Dispose() => _stored.Dispose();
}
