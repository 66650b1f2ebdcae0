using FastExit.Configuration;
using FastExit.Crypto.Primitives;
using SimpleBase;

namespace FastExit.Identity;

/// <summary>
/// All secrets of one node, in pinned memory, zeroed on <see cref="Dispose"/>: its ed25519 identity, its Sphinx keys, the x25519 key of
/// its mix link's Noise handshakes, and the own three keys of each service (end-to-end.md §1.1), which are independent of the node's. On disk: one <see cref="KeyFile"/> each in `keys` of
/// the data directory (0700).
/// </summary>
internal sealed class NodeKeys : IDisposable
{
    public const string DirectoryName = "keys";

    private const string IdentityFile = "node_identity.pem";
    private const string CurrentFile = "sphinx_current.pem";
    private const string PreviousFile = "sphinx_previous.pem";
    private const string NextFile = "sphinx_next.pem";
    private const string NoiseFile = "noise.pem";
    private const string Requester = "network_requester";
    private const string Router = "ip_packet_router";
    private const string ServiceIdentityEnd = "_identity.pem";
    private const string ServiceEncryptionEnd = "_encryption.pem";
    private const string ServiceAckEnd = "_ack.pem";

    private const string IdentityTag = "ED25519 PRIVATE KEY";
    private const string SphinxTag = "X25519 SPHINX PRIVATE KEY";
    private const string EncryptionTag = "X25519 PRIVATE KEY";
    private const string NoiseTag = EncryptionTag;
    private const string AckTag = "AES-128-CTR ACKNOWLEDGEMENTS KEY";

    private static readonly string[] s_serviceEnds = [ServiceIdentityEnd, ServiceEncryptionEnd, ServiceAckEnd];

    private readonly SecretBytes _identity;
    private readonly byte[] _identityPublic;
    private readonly SecretBytes? _noise;
    private readonly byte[] _noisePublic = [];

    private NodeKeys(
        SecretBytes identity,
        SphinxKey current,
        SphinxKey? previous,
        SphinxKey? next,
        SecretBytes? noise,
        Func<byte[], ServiceKeyTriple> requester,
        Func<byte[], ServiceKeyTriple?> router)
    {
        _identity = identity;
        _identityPublic = Ed25519.PublicKey(identity.Span);
        CurrentSphinxKey = current;
        PreviousSphinxKey = previous;
        NextSphinxKey = next;
        SphinxKeys = [.. new[] { current, previous, next }.OfType<SphinxKey>()];
        if (noise is not null)
        {
            _noise = noise;
            _noisePublic = new byte[X25519.KeyBytes];
            X25519.MultiplyBase(noise.Span, _noisePublic);
        }

        NetworkRequester = requester(_identityPublic);
        IpPacketRouter = router(_identityPublic);
    }

    /// <summary>The node's ed25519 public key, 32 bytes.</summary>
    public ReadOnlySpan<byte> Identity => _identityPublic;

    /// <summary>The node's ed25519 seed, 32 bytes.</summary>
    public ReadOnlySpan<byte> IdentitySeed => _identity.Span;

    /// <summary>x25519 key of the mix link's Noise handshakes, 32 bytes; empty: this node has none yet (<see cref="AddNoise"/>).</summary>
    public ReadOnlySpan<byte> NoisePrivateKey => _noise is null ? default : _noise.Span;

    /// <summary>What others need to open such a link to this node, 32 bytes; empty: none yet.</summary>
    public ReadOnlySpan<byte> NoisePublicKey => _noisePublic;

    public SphinxKey CurrentSphinxKey { get; }

    /// <summary>Accepted until the overlap ends.</summary>
    public SphinxKey? PreviousSphinxKey { get; }

    /// <summary>Announced, and accepted already.</summary>
    public SphinxKey? NextSphinxKey { get; }

    /// <summary>Every Sphinx key that packets may name, the current one first.</summary>
    public IReadOnlyList<SphinxKey> SphinxKeys { get; }

    public ServiceKeyTriple NetworkRequester { get; }

    /// <summary>Null: this node has none yet (<see cref="AddIpPacketRouter"/>).</summary>
    public ServiceKeyTriple? IpPacketRouter { get; }

    public static string Base58Text(ReadOnlySpan<byte> key) => Base58.Bitcoin.Encode(key);

    public static string DirectoryIn(string dataDirectory) => Path.Combine(dataDirectory, DirectoryName);

    /// <summary>Fresh keys, in memory only.</summary>
    public static NodeKeys Generate(uint rotationId) => new(
        SecretBytes.Random(Ed25519.SeedBytes),
        SphinxKey.Generate(rotationId),
        previous: null,
        next: null,
        SecretBytes.Random(X25519.KeyBytes),
        gateway => ServiceKeyTriple.Generate(gateway),
        gateway => ServiceKeyTriple.Generate(gateway));

    /// <exception cref="KeyFileException">A file is missing, open to others, or damaged.</exception>
    public static NodeKeys Load(string dataDirectory)
    {
        var directory = DirectoryIn(dataDirectory);
        KeyFile.CheckDirectory(directory);
        var read = new List<IDisposable>();
        try
        {
            var keys = new NodeKeys(
                Read(IdentityFile, IdentityTag, Ed25519.SeedBytes),
                Sphinx(CurrentFile),
                Optional(PreviousFile),
                Optional(NextFile),
                File.Exists(Path.Combine(directory, NoiseFile)) ? Read(NoiseFile, NoiseTag, X25519.KeyBytes) : null,
                gateway => Triple(Requester, gateway),
                gateway => HasAnyOf(directory, Router) ? Triple(Router, gateway) : null);
            CheckRotations(directory, keys);
            return keys;
        }
        catch
        {
            read.ForEach(secret => secret.Dispose());
            throw;
        }

        SecretBytes Read(string name, string tag, int keyBytes)
        {
            var secret = KeyFile.Read(Path.Combine(directory, name), tag, keyBytes);
            read.Add(secret);
            return secret;
        }

        ServiceKeyTriple Triple(string service, byte[] gateway) => new(
            Read(service + ServiceIdentityEnd, IdentityTag, Ed25519.SeedBytes),
            Read(service + ServiceEncryptionEnd, EncryptionTag, X25519.KeyBytes),
            Read(service + ServiceAckEnd, AckTag, ServiceKeyTriple.AcknowledgementKeyBytes),
            gateway);

        SphinxKey Sphinx(string name) => new(Read(name, SphinxTag, SphinxKey.StoredBytes));

        SphinxKey? Optional(string name) => File.Exists(Path.Combine(directory, name)) ? Sphinx(name) : null;
    }

    /// <summary>
    /// Makes the IP packet router's keys in a data directory that is complete but for them. False: it has them. Keys that are there are
    /// never overwritten, so a directory that has some of the three and not all is refused by <see cref="Load"/>.
    /// </summary>
    /// <exception cref="KeyFileException">Writing failed, or the directory is not complete; nothing is left behind.</exception>
    public static bool AddIpPacketRouter(string dataDirectory)
    {
        using NodeKeys keys = Load(dataDirectory);
        if (keys.IpPacketRouter is not null)
            return false;
        string directory = DirectoryIn(dataDirectory);
        using var made = ServiceKeyTriple.Generate(keys.Identity);
        try
        {
            WriteTriple(directory, Router, made);
            return true;
        }
        catch
        {
            foreach (string end in s_serviceEnds)
                File.Delete(Path.Combine(directory, Router + end));
            throw;
        }
    }

    /// <summary>Makes the Noise key in a data directory that is complete but for it. False: it has one.</summary>
    /// <exception cref="KeyFileException">Writing failed, or the directory is not complete.</exception>
    public static bool AddNoise(string dataDirectory)
    {
        using NodeKeys keys = Load(dataDirectory);
        if (!keys.NoisePublicKey.IsEmpty)
            return false;
        using var made = SecretBytes.Random(X25519.KeyBytes);
        KeyFile.Write(Path.Combine(DirectoryIn(dataDirectory), NoiseFile), NoiseTag, made.Span);
        return true;
    }

    /// <summary>Writes every key into a new `keys` directory, which appears complete or not at all.</summary>
    /// <exception cref="KeyFileException">There are keys already, or writing failed; nothing is left behind.</exception>
    public void Save(string dataDirectory)
    {
        var directory = DirectoryIn(dataDirectory);
        if (Path.Exists(directory))
            throw new KeyFileException($"{directory}: there are keys already, and they are never overwritten; move the directory away first");
        var temporary = $"{directory}.{Convert.ToHexStringLower(Guid.NewGuid().ToByteArray().AsSpan(0, 6))}.tmp";
        try
        {
            Directory.CreateDirectory(temporary, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            Write(IdentityFile, IdentityTag, IdentitySeed);
            Write(CurrentFile, SphinxTag, CurrentSphinxKey.Stored);
            if (PreviousSphinxKey is { } previous)
                Write(PreviousFile, SphinxTag, previous.Stored);
            if (NextSphinxKey is { } next)
                Write(NextFile, SphinxTag, next.Stored);
            if (_noise is not null)
                Write(NoiseFile, NoiseTag, NoisePrivateKey);
            WriteTriple(temporary, Requester, NetworkRequester);
            if (IpPacketRouter is { } router)
                WriteTriple(temporary, Router, router);
            Directory.Move(temporary, directory);
        }
        catch (Exception error)
        {
            DeleteTree(temporary);
            if (error is IOException or UnauthorizedAccessException)
                throw new KeyFileException($"{directory}: cannot be written ({error.Message.ReplaceLineEndings(" ")}); check its rights and free space", error);
            throw;
        }

        DurableFile.SynchronizeDirectory(dataDirectory);

        void Write(string name, string tag, ReadOnlySpan<byte> key) => KeyFile.Write(Path.Combine(temporary, name), tag, key);
    }

    public void Dispose()
    {
        _identity.Dispose();
        _noise?.Dispose();
        foreach (var key in SphinxKeys)
            key.Dispose();
        NetworkRequester.Dispose();
        IpPacketRouter?.Dispose();
    }

    private static bool HasAnyOf(string directory, string service) =>
        s_serviceEnds.Any(end => Path.Exists(Path.Combine(directory, service + end)));

    private static void WriteTriple(string directory, string service, ServiceKeyTriple keys)
    {
        Write(ServiceIdentityEnd, IdentityTag, keys.IdentitySeed);
        Write(ServiceEncryptionEnd, EncryptionTag, keys.EncryptionPrivateKey);
        Write(ServiceAckEnd, AckTag, keys.AcknowledgementKey);

        void Write(string end, string tag, ReadOnlySpan<byte> key) => KeyFile.Write(Path.Combine(directory, service + end), tag, key);
    }

    // A header names a key by the parity of its rotation, so neighbours must differ by one.
    private static void CheckRotations(string directory, NodeKeys keys)
    {
        var current = keys.CurrentSphinxKey.RotationId;
        if (keys.PreviousSphinxKey is { } previous && previous.RotationId != current - 1)
            throw new KeyFileException($"{Path.Combine(directory, PreviousFile)}: has rotation {previous.RotationId}, but the current key has {current}; remove the file");
        if (keys.NextSphinxKey is { } next && next.RotationId != current + 1)
            throw new KeyFileException($"{Path.Combine(directory, NextFile)}: has rotation {next.RotationId}, but the current key has {current}; remove the file");
        if (keys.PreviousSphinxKey is not null && keys.NextSphinxKey is not null)
            throw new KeyFileException($"{Path.Combine(directory, PreviousFile)}: expired, because there is a key of the next rotation, which has the same parity; remove the file");
    }

    private static void DeleteTree(string path)
    {
        try
        {
            if (Directory.Exists(path))
                Directory.Delete(path, recursive: true);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // The first failure is the one worth reporting.
        }
    }
}
