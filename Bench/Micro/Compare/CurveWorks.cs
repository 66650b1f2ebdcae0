using System.Runtime.InteropServices;
using System.Security.Cryptography;
using FastExit.Crypto.Lanes;
using FastExit.Crypto.Primitives;
using NSec.Cryptography;
using X25519 = FastExit.Crypto.Primitives.X25519;

namespace FastExit.Bench.Micro.Compare;

/// <summary>X25519, the project's and others', each over the same stock of keys.</summary>
internal sealed partial class CurveWorks : IDisposable
{
    private const int Stock = 128, Lanes = X25519.MaximumLanes, KeyBytes = X25519.KeyBytes;

    private readonly byte[] _scalars = RandomNumberGenerator.GetBytes(Stock * KeyBytes);
    private readonly byte[] _points = new byte[Stock * KeyBytes];
    private readonly byte[] _results = new byte[Lanes * KeyBytes];
    private readonly X25519Table[] _tables;
    private readonly Key[] _keys;
    private readonly PublicKey[] _publicKeys;

    public CurveWorks()
    {
        byte[] owners = RandomNumberGenerator.GetBytes(Stock * KeyBytes);
        for (int i = 0; i < Stock; i++)
            X25519.MultiplyBase(owners.AsSpan(i * KeyBytes, KeyBytes), _points.AsSpan(i * KeyBytes, KeyBytes));
        var table = X25519Table.TryCreate(_points.AsSpan(0, KeyBytes))
            ?? throw new InvalidOperationException("an honest key has a table");
        _tables = [.. Enumerable.Repeat(table, Lanes)];
        KeyAgreementAlgorithm algorithm = KeyAgreementAlgorithm.X25519;
        _keys = [.. Enumerable.Range(0, Stock).Select(i => Key.Import(algorithm, At(_scalars, i), KeyBlobFormat.RawPrivateKey))];
        _publicKeys = [.. Enumerable.Range(0, Stock).Select(i => PublicKey.Import(algorithm, At(_points, i), KeyBlobFormat.RawPublicKey))];
    }

    /// <summary>Eight arbitrary points.</summary>
    public Work Variable => new(() => ForAll(Lanes, first =>
        X25519.MultiplyLanes(At(_scalars, first, Lanes), At(_points, first, Lanes), _results, Lanes)));

    /// <summary>Eight times the generator.</summary>
    public Work Generator => new(() => ForAll(Lanes, first => X25519.MultiplyBaseLanes(At(_scalars, first, Lanes), _results, Lanes)));

    /// <summary>Eight times one long-lived public key, by its table.</summary>
    public Work Table => new(() => ForAll(Lanes, first => X25519.MultiplyTableLanes(At(_scalars, first, Lanes), _tables, _results, Lanes)));

    /// <summary>A batch of one.</summary>
    public Work One => new(() => ForAll(1, first => X25519.MultiplyLanes(At(_scalars, first), At(_points, first), _results, 1)));

    public Work NSecOne => new(() => ForAll(1, AgreeByNSec));

    public Work SodiumOne => new(() => ForAll(1, MultiplyBySodium));

    public void Dispose()
    {
        _tables[0].Dispose();
        Array.ForEach(_keys, key => key.Dispose());
    }

    private static Span<byte> At(byte[] keys, int first, int count = 1) => keys.AsSpan(first * KeyBytes, count * KeyBytes);

    private static int ForAll(int step, Action<int> multiply)
    {
        for (int first = 0; first < Stock; first += step)
            multiply(first);
        return Stock;
    }

    private void AgreeByNSec(int index)
    {
        using SharedSecret? secret = KeyAgreementAlgorithm.X25519.Agree(_keys[index], _publicKeys[index]);
        if (secret is null)
            throw new InvalidOperationException("NSec found no shared secret");
    }

    private void MultiplyBySodium(int index)
    {
        if (crypto_scalarmult_curve25519(_results, At(_scalars, index), At(_points, index)) != 0)
            throw new InvalidOperationException("libsodium found no shared secret");
    }

    [LibraryImport("libsodium")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories | DllImportSearchPath.AssemblyDirectory)]
    private static partial int crypto_scalarmult_curve25519(Span<byte> q, ReadOnlySpan<byte> n, ReadOnlySpan<byte> p);
}
