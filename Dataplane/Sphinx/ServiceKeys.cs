using System.Security.Cryptography;

namespace FastExit.Sphinx;

/// <summary>
/// The services behind this node: identity keys that packets are addressed to (sphinx.md §2.4) and, in the same order, the private
/// encryption keys of their end-to-end layer. Few, so a linear search; identities are public.
/// </summary>
internal sealed class ServiceKeys
{
    private const int KeyBytes = 32;
    private readonly byte[] _identities;
    private readonly byte[] _encryptionKeys;

    public ServiceKeys(params ReadOnlySpan<(byte[] Identity, byte[] EncryptionPrivateKey)> services)
    {
        _identities = new byte[services.Length * KeyBytes];
        _encryptionKeys = GC.AllocateArray<byte>(services.Length * KeyBytes, pinned: true);
        for (int i = 0; i < services.Length; i++)
        {
            services[i].Identity.CopyTo(_identities.AsSpan(i * KeyBytes));
            services[i].EncryptionPrivateKey.CopyTo(_encryptionKeys.AsSpan(i * KeyBytes));
        }
    }

    public int Count => _identities.Length / KeyBytes;

    /// <summary>Private X25519 keys, 32 bytes each.</summary>
    public ReadOnlySpan<byte> EncryptionKeys => _encryptionKeys;

    /// <summary>Index of the service with that identity, or -1.</summary>
    public int Find(ReadOnlySpan<byte> destination)
    {
        for (int i = 0; i < _identities.Length; i += KeyBytes)
        {
            if (destination.SequenceEqual(_identities.AsSpan(i, KeyBytes)))
                return i / KeyBytes;
        }

        return -1;
    }

    public void Wipe() => CryptographicOperations.ZeroMemory(_encryptionKeys);
}
