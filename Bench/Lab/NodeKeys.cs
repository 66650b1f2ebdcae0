using System.Security.Cryptography;
using System.Text.Json;
using FastExit.Crypto.Primitives;

namespace FastExit.Bench.Lab;

/// <summary>Secret keys of one lab node: ed25519 identity seed and X25519 Sphinx key, 32 bytes each.</summary>
internal sealed class NodeKeys
{
    private NodeKeys(byte[] identitySeed, byte[] sphinxPrivate)
    {
        IdentitySeed = identitySeed;
        SphinxPrivate = sphinxPrivate;
        Identity = Ed25519.PublicKey(identitySeed);
        SphinxKey = new byte[32];
        X25519.MultiplyBase(sphinxPrivate, SphinxKey);
    }

    public byte[] IdentitySeed { get; }

    public byte[] SphinxPrivate { get; }

    /// <summary>ed25519 public key: the node's name.</summary>
    public byte[] Identity { get; }

    /// <summary>X25519 public key.</summary>
    public byte[] SphinxKey { get; }

    public static NodeKeys Generate() => new(RandomNumberGenerator.GetBytes(32), RandomNumberGenerator.GetBytes(32));

    public static NodeKeys Load(string path)
    {
        try
        {
            Stored stored = JsonSerializer.Deserialize<Stored>(File.ReadAllText(path))
                ?? throw new LabException($"{path} is empty: remove the lab's directory and start the lab anew");
            byte[] seed = Convert.FromHexString(stored.IdentitySeed);
            byte[] sphinx = Convert.FromHexString(stored.SphinxPrivate);
            if (seed.Length != 32 || sphinx.Length != 32)
                throw new LabException($"{path} does not hold two keys of 32 bytes: remove the lab's directory and start the lab anew");
            return new NodeKeys(seed, sphinx);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or FormatException)
        {
            throw new LabException($"cannot read the keys in {path}: {e.Message}");
        }
    }

    /// <summary>Readable by the owner alone.</summary>
    public void Save(string path)
    {
        var options = new FileStreamOptions
        {
            Mode = FileMode.Create,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        };
        using var stream = new FileStream(path, options);
        JsonSerializer.Serialize(stream, new Stored(Convert.ToHexStringLower(IdentitySeed), Convert.ToHexStringLower(SphinxPrivate)));
    }

    private sealed record Stored(string IdentitySeed, string SphinxPrivate);
}
